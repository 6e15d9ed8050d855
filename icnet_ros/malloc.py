"""Settings of the C library's memory allocator."""

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h


def limit_malloc_arenas() -> None:
    """Limit the malloc arenas of glibc: with one per thread, memory grows with each thread and each rebuilt engine."""
    _set(M_ARENA_MAX, 2)


def return_large_blocks() -> None:
    """Let glibc return blocks of a MiB when they are freed; else it adapts to the largest, and keeps more and more."""
    _set(M_MMAP_THRESHOLD, 1 << 20)


def _set(parameter: int, value: int) -> None:
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(parameter, value)
