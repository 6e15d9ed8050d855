"""A background thread that runs one function after the other."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """Runs functions on another thread in the order they are given, one at a time."""

    def __enter__(self) -> "Background":  # noqa: PYI034  Self needs Python 3.11
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        return self

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """Wait for the previous call, re-raise its exception if there was one, then start this one."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(work, *arguments)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        if self._last is not None:
            self._last.result()
