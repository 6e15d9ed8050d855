"""Graceful stop on Ctrl-C: the current frame is finished and a report of the results so far is written."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any


@contextmanager
def on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT calls `act`, a second one interrupts as usual. Does nothing outside the main thread."""
    if current_thread() is not main_thread():
        yield
        return
    previous_handler = signal.getsignal(signal.SIGINT)

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, previous_handler)
        act()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
