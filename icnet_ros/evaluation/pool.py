"""Where the tasks of a fleet run: on processes of this machine, or on a Ray cluster."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from multiprocessing.synchronize import Event
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from icnet_ros.engine.base import EngineError

TRIES = 3  # of a task whose process died; what it had labelled is not labelled again
POLL_S = 0.2  # how soon a stop is noticed
T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T, Callable[[], bool]], R]  # a function of a module, for it runs in another process


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What became of a task: its result, or what it raised."""

    task: T
    result: R | None
    error: Exception | None = None


class Pool(Protocol):
    """Runs a function over tasks. workers: how many at a time. threads: CPU threads for each."""

    workers: int
    threads: int

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """Outcomes as they are ready. work: gets the task, and what says whether it shall end early."""

    def stop(self) -> None:
        """Begin no other task, and let those under way end early; a signal handler may call it."""

    def device(self, name: str) -> str:
        """What a device of this process is called there."""


class Processes:
    """On `workers` processes of this machine."""

    def __init__(self, workers: int, threads: int = 0) -> None:
        """threads: 0 shares the cores among the workers."""
        self.workers, self.threads = workers, threads or max(1, (os.cpu_count() or 1) // workers)
        # Forked children would share the locks of this one's native threads.
        self._context = multiprocessing.get_context("spawn")
        self._stopped = self._context.Event()
        self._stop = False

    def stop(self) -> None:
        """See Pool."""
        self._stop = True

    def device(self, name: str) -> str:
        """See Pool."""
        return name

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """See Pool. Each process is a pool of its own, so that it is known whose task killed it."""
        idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(self.workers):
            idle.put(self._process())

        def attempt(task: T) -> Outcome[T, R] | None:
            process, died = idle.get(), None
            try:
                for _ in range(TRIES):
                    if self._stopped.is_set():
                        return None
                    try:
                        return Outcome(task, process.submit(_in_process, work, task).result())
                    except BrokenProcessPool as err:
                        process, died = self._process(), err
                    except Exception as err:
                        return Outcome(task, None, err)
                return Outcome(task, None, died)
            finally:
                idle.put(process)

        others = set(multiprocessing.active_children())
        with ThreadPoolExecutor(self.workers, initializer=_hold_interrupts) as threads:
            left = {threads.submit(attempt, task) for task in tasks}
            try:
                while left:
                    ready, left = wait(left, POLL_S, FIRST_COMPLETED)
                    if self._stop:
                        self._stopped.set()
                    yield from (outcome for future in ready if (outcome := future.result()) is not None)
            except BaseException:  # a second Ctrl-C, or nobody wants the rest: it is not waited for
                self._stopped.set()
                for process in set(multiprocessing.active_children()) - others:
                    process.kill()
                raise
        for _ in range(self.workers):
            idle.get().shutdown()

    def _process(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _begin, (self._stopped,))


def _hold_interrupts() -> None:
    """In this thread and in the processes that it starts: Ctrl-C reaches a whole group, but who began it decides."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


_stopped: Event  # of this process, if it is one of a pool


def _begin(stopped: Event) -> None:
    global _stopped  # noqa: PLW0603  what is handed over at the start of a process has no other place
    _stopped = stopped
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _in_process(work: Work[T, R], task: T) -> R:
    return work(task, _stopped.is_set)


class Ray:
    """On a Ray cluster; address "local" starts one on this machine."""

    def __init__(self, address: str, workers: int = 0, threads: int = 0, *, gpu: bool = False) -> None:
        """workers: 0 for as many as the cluster has CPUs, or GPUs if each task needs one (gpu).

        threads: 0 shares the CPUs of the cluster among the workers. Raises EngineError without ray, if the
        cluster cannot be reached, or if it has no GPU.
        """
        try:
            import ray
        except ModuleNotFoundError as err:
            raise EngineError("--ray needs the package ray: pip install 'icnet_ros[fleet]'") from err
        self._ray: Any = ray
        self._gpu, self._stop = gpu, False
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
        try:
            if address == "local":
                cpus = max(workers, os.cpu_count() or 1)
                ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as err:
            raise EngineError(f"no Ray cluster at {address!r}: {err}") from err
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.workers, self.threads = share_out(nodes, workers, threads, gpu=gpu)
        self._largest = _largest(nodes)

    def stop(self) -> None:
        """See Pool."""
        self._stop = True

    def device(self, name: str) -> str:
        """See Pool. A task sees the one GPU that it was given."""
        return "cuda" if name.startswith("cuda") else name

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """See Pool. Ray runs a task again whose process or machine was lost."""
        ray = self._ray
        stop = ray.remote(num_cpus=0)(_Stop).remote()
        asked = [stop.wait.remote()]  # in a list, or tasks would begin when it is there
        # A task that needs more than any machine has would wait for ever.
        cpus = min(self.threads, self._largest)
        remote = ray.remote(num_cpus=cpus, num_gpus=int(self._gpu), max_retries=TRIES - 1)(_in_ray)
        left = list(reversed(tasks))
        under_way: dict[Any, T] = {}
        try:
            while under_way or (left and not self._stop):
                while left and not self._stop and len(under_way) < self.workers:
                    task = left.pop()
                    under_way[remote.remote(work, task, asked)] = task
                ready, _ = ray.wait(list(under_way), timeout=POLL_S)
                if self._stop:
                    stop.set.remote()
                for one in ready:
                    yield self._outcome(under_way.pop(one), one)
        finally:
            ray.shutdown()

    def _outcome(self, task: T, ready: Any) -> Outcome[T, Any]:
        try:
            return Outcome(task, self._ray.get(ready))
        except self._ray.exceptions.RayTaskError as err:
            return Outcome(task, None, err.cause if isinstance(err.cause, Exception) else err)
        except self._ray.exceptions.RayError as err:
            return Outcome(task, None, err)


def share_out(nodes: Sequence[dict[str, float]], workers: int, threads: int, *, gpu: bool) -> tuple[int, int]:
    """How many tasks at a time on machines with these resources, and threads for each, of which one must have all."""
    cpus, gpus = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
    if gpu and not gpus:
        raise EngineError("the Ray cluster has no GPU: leave out --device cuda, or start Ray where there is one")
    workers = min(workers, gpus) or gpus if gpu else workers or max(1, cpus)
    return workers, threads or max(1, min(_largest(nodes), cpus // workers))


def _largest(nodes: Sequence[dict[str, float]]) -> int:
    return max(int(node.get("CPU", 0)) for node in nodes)


class _Stop:
    """An actor whose `wait` ends when it is set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    async def set(self) -> None:
        self._event.set()


def _in_ray(work: Work[T, R], task: T, asked: list[Any]) -> R:
    import ray

    def stopped() -> bool:
        return bool(ray.wait(asked, timeout=0)[0])

    return work(task, stopped)
