"""A worker thread with a one-slot mailbox per source: a new item replaces an older one, which is counted."""

import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar

T = TypeVar("T")
SILENT_S = 1.0  # a source that has put nothing for so long is not waited for


def _counter(meaning: str) -> Any:
    return field(default=0, metadata={"meaning": meaning})


@dataclass
class Counters:
    """received = processed + dropped + failed + at most one waiting and one being processed; skipped: not received."""

    received: int = _counter("images that the node took from its subscription")
    processed: int = _counter("frames that got labels")
    dropped: int = _counter("images that a newer one replaced while they waited for the engine")
    failed: int = _counter("images that could not be decoded or segmented")
    skipped: int = _counter("images left out to keep `max_rate`; not counted as received")
    damaged: int = _counter("JPEGs of which a part is missing; they failed or were labelled, as `damaged_images` says")


class Worker(Generic[T]):
    """Calls `process` on its own thread with the newest item of each source, round-robin.

    process: items by source -> the sources whose item succeeded; it must not raise, and may be called
    again at once. It gets one item, or those of all sources that came within `window()` seconds; less if every source
    that is not silent has an item.
    """

    def __init__(
        self,
        process: Callable[[Mapping[str, T]], Collection[str]],
        sources: Sequence[str] = ("",),
        window: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.counters = {source: Counters() for source in sources}
        self._process, self._window = process, window
        self._turns = list(sources)  # least recently served first
        self._waiting: dict[str, T] = {}
        self._last_put = dict.fromkeys(sources, -math.inf)
        self._changed = threading.Condition()
        self._stopped = False
        self._taken: float | None = None
        self._thread = threading.Thread(target=self._run, name="segment", daemon=True)

    def start(self) -> None:
        """Start the thread. A worker can be started only once."""
        self._thread.start()

    def put(self, source: str, item: T) -> bool:
        """Put an item into the mailbox of a source; true if it replaced, and so dropped, a waiting one."""
        with self._changed:
            replaced = source in self._waiting
            self.counters[source].received += 1
            self.counters[source].dropped += replaced
            self._waiting[source] = item
            self._last_put[source] = monotonic()
            self._changed.notify()
        return replaced

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the current items, drop the waiting ones. False if that took longer than `timeout` s."""
        with self._changed:
            self._stopped = True
            for source in self._waiting:
                self.counters[source].dropped += 1
            self._waiting.clear()
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        """Whether the thread is alive; after `stop` returned false, until its current items are finished."""
        return self._thread.is_alive()

    def busy_s(self) -> float:
        """Seconds spent on the current items so far; 0 if the thread is idle."""
        taken = self._taken
        return 0.0 if taken is None else monotonic() - taken

    def _run(self) -> None:
        while items := self._take():
            self._taken = monotonic()
            succeeded = self._process(items)
            self._taken = None
            for source in items:
                if source in succeeded:
                    self.counters[source].processed += 1
                else:
                    self.counters[source].failed += 1

    def _all_waiting(self) -> bool:
        """Whether every source that is alive has an item."""
        now = monotonic()
        return all(source in self._waiting or now - last > SILENT_S for source, last in self._last_put.items())

    def _take(self) -> dict[str, T]:
        """What to work on next; empty when stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or bool(self._waiting))
            window = self._window()
            if window > 0:
                self._changed.wait_for(lambda: self._stopped or self._all_waiting(), window)
            turns = [source for source in self._turns if source in self._waiting]
            items = {source: self._waiting.pop(source) for source in (turns if window > 0 else turns[:1])}
            self._turns.sort(key=lambda source: source in items)  # stable: the served ones go to the end
            return items
