"""A worker pool on processes of this machine."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.synchronize import Event
from queue import SimpleQueue
from threading import Thread

from icnet_ros.replay.workers.pool import MAX_TRIES, POLL_S, Outcome, R, T, Work


class ProcessPool:
    """On `workers` processes of this machine."""

    def __init__(self, workers: int, threads: int = 0) -> None:
        """threads: 0 shares the cores among the workers."""
        self.workers, self.threads = workers, threads or max(1, (os.cpu_count() or 1) // workers)
        # Forked children would inherit locks held by native threads of this process.
        self._context = multiprocessing.get_context("spawn")
        self._stopped = self._context.Event()
        self._stop = False

    def stop(self) -> None:
        """See WorkerPool."""
        self._stop = True

    def device(self, name: str) -> str:
        """See WorkerPool."""
        return name

    def run(self, work: Work[T, R], tasks: Sequence[T]) -> Iterator[Outcome[T, R]]:
        """See WorkerPool. Each process is a pool of its own, so that it is known whose task killed it."""
        idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(self.workers):
            idle.put(self._process())

        def attempt(task: T) -> Outcome[T, R] | None:
            process, died = idle.get(), None
            try:
                for _ in range(MAX_TRIES):
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

        existing = set(multiprocessing.active_children())
        with ThreadPoolExecutor(self.workers, initializer=_block_sigint) as threads:
            pending = {threads.submit(attempt, task) for task in tasks}
            try:
                while pending:
                    ready, pending = wait(pending, POLL_S, FIRST_COMPLETED)
                    if self._stop:
                        self._stopped.set()
                    yield from (outcome for future in ready if (outcome := future.result()) is not None)
            except BaseException:  # a second Ctrl-C, or the caller closed the iterator: do not wait for the rest
                self._stopped.set()
                for process in set(multiprocessing.active_children()) - existing:
                    process.kill()
                raise
        for _ in range(self.workers):
            idle.get().shutdown()

    def _process(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _start_worker, (self._stopped,))


def _block_sigint() -> None:
    """Block SIGINT in this thread and the processes it starts: only the main process handles Ctrl-C."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


_stopped: Event  # set in worker processes only, by _start_worker


def _start_worker(stopped: Event) -> None:
    global _stopped  # noqa: PLW0603  an initializer can only store its argument in a global
    _stopped = stopped
    Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    """End this process when that which started it through multiprocessing has ended."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _in_process(work: Work[T, R], task: T) -> R:
    return work(task, _stopped.is_set)
