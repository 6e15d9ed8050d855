"""A worker pool on a Ray cluster."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any

from icnet_ros.engine.base import EngineError
from icnet_ros.packages import needed_for
from icnet_ros.replay.workers.pool import MAX_TRIES, POLL_S, Outcome, R, T, Work


class RayPool:
    """On a Ray cluster; address "local" starts one on this machine."""

    def __init__(self, address: str, workers: int = 0, threads: int = 0, *, gpu: bool = False) -> None:
        """workers: 0 means one per CPU of the cluster, or per GPU if each task needs one (gpu).

        threads: 0 shares the CPUs of the cluster among the workers. Raises EngineError without ray, if the
        cluster cannot be reached, or if it has no GPU.
        """
        with needed_for("--ray", EngineError):
            import ray
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
        self.workers, self.threads = allocate_workers(nodes, workers, threads, gpu=gpu)
        self._largest = _largest(nodes)

    def stop(self) -> None:
        """See WorkerPool."""
        self._stop = True

    def device(self, name: str) -> str:
        """See WorkerPool. A task sees the one GPU that it was given."""
        return "cuda" if name.startswith("cuda") else name

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """See WorkerPool. Ray retries a task if its process or node is lost."""
        ray = self._ray
        stop = ray.remote(num_cpus=0)(_Stop).remote()
        stop_refs = [stop.wait.remote()]  # in a list: Ray resolves a bare reference before it starts a task
        # Ray never schedules a task that needs more CPUs than any node has.
        cpus = min(self.threads, self._largest)
        remote = ray.remote(num_cpus=cpus, num_gpus=int(self._gpu), max_retries=MAX_TRIES - 1)(_in_ray)
        pending = list(reversed(tasks))
        running: dict[Any, T] = {}
        try:
            while running or (pending and not self._stop):
                while pending and not self._stop and len(running) < self.workers:
                    task = pending.pop()
                    running[remote.remote(work, task, stop_refs)] = task
                ready, _ = ray.wait(list(running), timeout=POLL_S)
                if self._stop:
                    stop.set.remote()
                for reference in ready:
                    yield self._outcome(running.pop(reference), reference)
        finally:
            ray.shutdown()

    def _outcome(self, task: T, ready: Any) -> Outcome[T, Any]:
        try:
            return Outcome(task, self._ray.get(ready))
        except self._ray.exceptions.RayTaskError as err:
            return Outcome(task, None, err.cause if isinstance(err.cause, Exception) else err)
        except self._ray.exceptions.RayError as err:
            return Outcome(task, None, err)


def allocate_workers(nodes: Sequence[dict[str, float]], workers: int, threads: int, *, gpu: bool) -> tuple[int, int]:
    """Number of tasks at a time on nodes with these resources, and threads per task, at most those of one node."""
    cpus, gpus = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
    if gpu and not gpus:
        raise EngineError("the Ray cluster has no GPU: leave out --device cuda, or start Ray on a machine with a GPU")
    workers = min(workers, gpus) or gpus if gpu else workers or max(1, cpus)
    return workers, threads or max(1, min(_largest(nodes), cpus // workers))


def _largest(nodes: Sequence[dict[str, float]]) -> int:
    return max(int(node.get("CPU", 0)) for node in nodes)


class _Stop:
    """Ray actor with an event: `wait` returns once `set` has been called."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    async def set(self) -> None:
        self._event.set()


def _in_ray(work: Work[T, R], task: T, stop_refs: list[Any]) -> R:
    import ray

    def stopped() -> bool:
        return bool(ray.wait(stop_refs, timeout=0)[0])

    return work(task, stopped)
