"""Nodes as processes of their own, with logs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from icnet_ros.dds import profile_environment, this_machine_only

READY_TIMEOUT = 600.0  # s; building an engine may take minutes


class DemoError(RuntimeError):
    """A process of the demo failed; the message ends with the tail of its log."""


def graph_environment() -> dict[str, str]:
    """Environment for a ROS graph on this machine only, with the shipped DDS profile."""
    domain = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100)}
    return {**domain, **this_machine_only(), **os.environ, **profile_environment(), "PYTHONUNBUFFERED": "1"}


class NodeProcess:
    """A process of a ROS graph, its output in a log file."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name, self.process, self.log = name, process, log
        self._interrupted = False

    @classmethod
    @contextmanager
    def start(
        cls, module: str, arguments: tuple[str, ...], logs: Path, environment: Mapping[str, str]
    ) -> "Iterator[NodeProcess]":
        """Run icnet_ros.node.MODULE until the end of the block, then SIGINT and wait."""
        log = logs / f"{module}.log"
        command = [sys.executable, "-m", f"icnet_ros.node.{module}", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        node = cls(module, process, log)
        try:
            yield node
        finally:
            node.interrupt()
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def interrupt(self) -> None:
        """Send SIGINT, once: a second one could interrupt what a process does at its end."""
        if not self._interrupted:
            self._interrupted = True
            self.process.send_signal(signal.SIGINT)

    def go(self) -> None:
        """Send an empty line to its standard input, which it waits for."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended, see `check`
                self.process.stdin.write(b"\n")

    def has_printed(self, word: str) -> bool:
        """Whether a line of its output is this word."""
        return any(line.strip() == word for line in self.log.read_text(errors="replace").splitlines())

    def lines_after(self, start: str) -> list[str]:
        """The rest of each line of its output that begins with `start`."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return [line.removeprefix(start) for line in lines if line.startswith(start) and line.endswith("\n")]

    def check(self) -> None:
        """Raise DemoError if it has ended."""
        if (code := self.process.poll()) is not None:
            raise DemoError(f"the {self.name} process ended with exit code {code}:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def wait_until(
    done: Callable[[], bool],
    processes: Sequence[NodeProcess],
    meanwhile: Callable[[], None] = lambda: None,
    timeout: float | None = READY_TIMEOUT,
) -> None:
    """Poll `done`, calling `meanwhile` several times a second. Raises DemoError if a process ends or on timeout."""
    deadline = time.monotonic() + timeout if timeout else None
    while not done():
        for process in processes:
            process.check()
        if deadline and time.monotonic() > deadline:
            tails = "\n".join(f"--- {p.name}\n{p.tail()}" for p in processes)
            raise DemoError(f"not ready after {timeout:g} s:\n{tails}")
        meanwhile()
        time.sleep(0.2)
