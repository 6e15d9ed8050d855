"""Ctrl-C at any moment: one line and exit code 130, no traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = "from icnet_ros.entry import {0}; print('started', flush=True); raise SystemExit({0}())"


def interrupted(name, *words, after):
    """Exit code and stderr of an entry point that gets SIGINT `after` seconds after Python has started."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(name), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ROS_DOMAIN_ID": "77"},
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("after", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("name", ["icnet", pytest.param("segmentation_node", marks=pytest.mark.ros)])
def test_while_libraries_are_imported(name, after):
    words = ("info",) if name == "icnet" else ("--ros-args", "-p", "model:=/nothing.safetensors")
    code, said = interrupted(name, *words, after=after)
    assert "Traceback" not in said
    if code != 130:  # it was done already, or the node has its own handlers by then
        assert after > 0.05
        return
    assert said.splitlines() == ["interrupted"]


def test_inside_a_command():
    """A library may make another error of it, as of an interrupted import."""
    script = """
import os, signal
from icnet_ros.command import main
from icnet_ros.engine.base import EngineError
def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        import time; time.sleep(10)
    except KeyboardInterrupt as err:
        raise {0}("initialization failed") from err
main.app.command("loads")(command)
import sys
sys.argv = ["icnet", "loads"]
raise SystemExit(main.main())
"""
    for error in ("ImportError", "EngineError", "KeyboardInterrupt"):
        done = subprocess.run(
            [sys.executable, "-c", script.format(error)], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr.splitlines()) == (130, ["interrupted"])


def test_a_background_job_that_ignores_it_goes_on():
    script = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
from icnet_ros import entry
os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["icnet", "--version"]
raise SystemExit(entry.icnet())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout[:9]) == (0, "icnet_ros")
