"""What every worker pool keeps to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MAX_TRIES = 3  # of a task whose process died; what it had labelled is not labelled again
POLL_S = 0.2  # how soon a stop is noticed
T = TypeVar("T")
R = TypeVar("R")
# A function of a module, for it runs in another process: (task, should_stop) -> result.
Work = Callable[[T, Callable[[], bool]], R]


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What became of a task: its result, or what it raised."""

    task: T
    result: R | None
    error: Exception | None = None


class WorkerPool(Protocol):
    """Runs a function over tasks. workers: how many at a time. threads: CPU threads for each."""

    workers: int
    threads: int

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """Outcomes as they are ready."""

    def stop(self) -> None:
        """Begin no other task, and let those under way end early; a signal handler may call it."""

    def device(self, name: str) -> str:
        """What a device of this process is called there."""
