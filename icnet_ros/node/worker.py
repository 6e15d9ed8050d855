"""One thread behind a mailbox with one slot: the latest frame wins, and what it replaces is counted."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Counters:
    """received = processed + dropped + failed + at most one waiting and one in hand."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    failed: int = 0


class Worker(Generic[T]):
    """Calls `process` on a thread of its own for the newest item that was put.

    `process` returns whether it succeeded; it must not raise, and may be called again at once.
    """

    def __init__(self, process: Callable[[T], bool]) -> None:
        self.counters = Counters()
        self._process = process
        self._changed = threading.Condition()
        self._waiting: T | None = None
        self._stopped = False
        self._taken: float | None = None
        self._thread = threading.Thread(target=self._run, name="segment", daemon=True)

    def start(self) -> None:
        """Begin to work. A worker starts once."""
        self._thread.start()

    def put(self, item: T) -> bool:
        """Leave an item for the thread; true if it replaced, and so dropped, one still waiting."""
        with self._changed:
            self.counters.received += 1
            replaced = self._waiting is not None
            self.counters.dropped += replaced
            self._waiting = item
            self._changed.notify()
        return replaced

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the item in hand, drop the one waiting. False if that took longer than `timeout` s."""
        with self._changed:
            self._stopped = True
            if self._waiting is not None:
                self.counters.dropped += 1
                self._waiting = None
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def in_hand(self) -> float:
        """Seconds since the thread took the item it is working on; 0 if it waits."""
        taken = self._taken
        return 0.0 if taken is None else monotonic() - taken

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._waiting is not None)
                if self._stopped or self._waiting is None:
                    return
                item, self._waiting = self._waiting, None
            self._taken = monotonic()
            succeeded = self._process(item)
            self._taken = None
            if succeeded:
                self.counters.processed += 1
            else:
                self.counters.failed += 1
