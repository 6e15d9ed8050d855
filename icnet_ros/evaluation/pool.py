"""Where the tasks of a fleet run: on processes of this machine, or on a Ray cluster."""

import multiprocessing
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from icnet_ros.engine.base import EngineError

TRIES = 3  # of a task whose process died; what it had labelled is not labelled again
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What became of a task: its result, or what it raised."""

    task: T
    result: R | None
    error: Exception | None = None


class Pool(Protocol):
    """Runs a function over tasks; outcomes come as they are ready."""

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[T, R], None, None]:
        """work: a function of a module, for it may run in another process."""


class Processes:
    """On `workers` processes of this machine."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[T, R], None, None]:
        """See Pool. A process that dies takes the others with it: what was under way starts again."""
        left = dict(enumerate(tasks))
        for attempt in range(1, TRIES + 1):
            # Forked children would share the locks of this one's native threads.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(self._workers, mp_context=context) as pool, ExitStack() as stack:
                futures = {pool.submit(work, task): number for number, task in left.items()}
                stack.callback(pool.shutdown, cancel_futures=True)  # if nobody wants the rest any more
                for future in as_completed(futures):
                    number = futures[future]
                    try:
                        outcome = Outcome(left[number], future.result())
                    except BrokenProcessPool as err:
                        if attempt < TRIES:
                            continue
                        outcome = Outcome(left[number], None, err)
                    except Exception as err:
                        outcome = Outcome(left[number], None, err)
                    del left[number]
                    yield outcome
            if not left:
                return


class Ray:
    """On a Ray cluster; address "local" starts one of `workers` processes on this machine."""

    def __init__(self, address: str, workers: int, *, gpu: bool = False) -> None:
        """gpu: each task needs one. Raises EngineError without ray, or if the cluster cannot be reached."""
        try:
            import ray
        except ModuleNotFoundError as err:
            raise EngineError("--ray needs the package ray: pip install 'icnet_ros[fleet]'") from err
        self._ray: Any = ray
        self._gpu = gpu
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
        try:
            if address == "local":
                ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as err:
            raise EngineError(f"no Ray cluster at {address!r}: {err}") from err

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[T, R], None, None]:
        """See Pool. Ray runs a task again whose process or machine was lost."""
        ray = self._ray
        remote = ray.remote(num_cpus=1, num_gpus=int(self._gpu), max_retries=TRIES - 1)(work)
        under_way = {remote.remote(task): task for task in tasks}
        try:
            while under_way:
                (ready,), _ = ray.wait(list(under_way), num_returns=1)
                task = under_way.pop(ready)
                try:
                    yield Outcome(task, ray.get(ready))
                except ray.exceptions.RayTaskError as err:
                    yield Outcome(task, None, err.cause if isinstance(err.cause, Exception) else err)
                except ray.exceptions.RayError as err:
                    yield Outcome(task, None, err)
        finally:
            ray.shutdown()
