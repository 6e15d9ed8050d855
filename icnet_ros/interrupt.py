"""Ctrl-C while libraries are imported: one line and exit code 130."""

import os
import signal

INTERRUPTED = 130  # exit code, as a shell reports a program that SIGINT has ended


def _end(*_: object) -> None:
    """End at once: an exception would become another one inside the import of a C extension."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def end_on_interrupt() -> bool:
    """Whether SIGINT ends the process now; not where it is ignored, as in a background job of a shell."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, _end)
    return True
