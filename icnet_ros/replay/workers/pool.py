"""Interface of worker pools."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MAX_TRIES = 3  # attempts per task if its process dies; a retry reuses stored frames
POLL_S = 0.2  # period at which a stop request is checked
T = TypeVar("T")
R = TypeVar("R")
# (task, should_stop) -> result. A module-level function, because it is pickled for another process.
Work = Callable[[T, Callable[[], bool]], R]


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """Result of a task, or the exception that it raised."""

    task: T
    result: R | None
    error: Exception | None = None


class WorkerPool(Protocol):
    """Runs a function over tasks. workers: number of tasks at a time. threads: CPU threads per task."""

    workers: int
    threads: int

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """Outcomes as they are ready."""

    def stop(self) -> None:
        """Start no more tasks and ask running ones to end early. May be called from a signal handler."""

    def device(self, name: str) -> str:
        """Name, inside a worker, of a device of this process."""
