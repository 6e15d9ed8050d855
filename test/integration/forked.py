"""Python processes that start in a second, as their imports are there already.

A node needs six seconds of CPU time to start, five of them to import its libraries. Here a server imports them once
(`preloaded.py`) and each process is forked from it: a process of its own with its own signals, session, environment,
arguments and output, but without the start and the end of a Python interpreter. Tests of these use `subprocess`.
"""

import gc
import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from icnet_ros.replay.workers.processes import exit_with_parent

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["preloaded"])


@lru_cache(1)
def _start_server():
    """With this folder on the path: up to Python 3.13 it does not get that of its parent."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [before])])
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def _run(module, arguments, environment, output, errors):
    os.setsid()
    # A node that outlives a killed test would answer in the tests that follow.
    threading.Thread(target=exit_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((output, sys.stdout), (errors, sys.stderr)):
        with Path(path).open("ab", buffering=0) as file:
            os.dup2(file.fileno(), stream.fileno())
        stream.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # multiprocessing ends without what an interpreter does at its end: Fast DDS would leave its shared memory.
        if "rclpy" in sys.modules:
            from rclpy.utilities import get_default_context

            gc.collect()
            with suppress(Exception):
                get_default_context().destroy()


class Forked:
    """`python -m module arguments`, with what tests need of `subprocess.Popen`."""

    def __init__(self, module, arguments, environment, output, errors=None):
        _start_server()
        for path in filter(None, (output, errors)):
            Path(path).touch()
        words = [str(word) for word in arguments]
        self._process = CONTEXT.Process(
            target=_run, args=(module, words, dict(environment), str(output), str(errors or output))
        )
        self._process.start()
        self.pid = self._process.pid

    def poll(self):
        return self._process.exitcode

    returncode = property(poll)

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def run(module, *arguments, environment=None, timeout=150):
    """Exit code, standard output and standard error of `python -m module arguments`."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "out"), Path(folder, "err")
        process = Forked(module, arguments, os.environ if environment is None else environment, output, errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return (
            code,
            output.read_text(encoding="utf-8", errors="replace"),
            errors.read_text(encoding="utf-8", errors="replace"),
        )


def icnet(*arguments, **options):
    """`icnet arguments`: as `run`, with the whitespace of errors made single spaces."""
    code, output, errors = run("icnet_ros.command.main", *arguments, **options)
    return code, output, " ".join(errors.split())
