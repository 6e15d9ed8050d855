"""Settings of the C library's memory allocator."""

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8  # malloc.h


def limit_malloc_arenas() -> None:
    """Limit the malloc arenas of glibc: with one per thread, memory grows with each thread and each rebuilt engine."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
