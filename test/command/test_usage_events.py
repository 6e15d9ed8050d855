"""No library reports its use: commands make no connection, start no process and write only where they should."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import icnet_ros

ROOT = Path(__file__).parent.parent.parent
# Python imports it at the start of each process. It notes what the process does, as Python's own audit events say it.
GUARD = """
import atexit, json, os, sys
seen = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.posix_spawn", "os.fork"):
        seen.append([event, repr(arguments[-1])])
    elif event in ("os.mkdir", "os.rename"):
        seen.append([event, os.path.abspath(os.fsdecode(arguments[0]))])
    elif event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        seen.append([event, os.path.abspath(os.fsdecode(arguments[0]))])
def write():
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.writelines(json.dumps(one) + "\\n" for one in list(seen))
atexit.register(write)
sys.addaudithook(hook)
"""
PACKAGE = str(Path(icnet_ros.__file__).parent)  # compiled modules and kernels
ALLOWED = (str(ROOT), PACKAGE, sys.prefix, "/dev/", "/proc/", "/sys/", tempfile.gettempdir())


@pytest.fixture
def events(tmp_path):
    """A function that runs a command of `icnet` in a home of its own and returns what it did outside of it."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    log = tmp_path / "log.jsonl"
    path = os.pathsep.join(filter(None, (str(tmp_path / "guard"), os.environ.get("PYTHONPATH"))))
    (tmp_path / "home").mkdir()
    folders = {"HOME": str(tmp_path / "home"), "ICNET_CACHE": str(tmp_path / "cache")}
    own = {"PYTHONPATH": path, "GUARD_LOG": str(log), **folders}
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD", "JENKINS_URL")}

    def run(*words):
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, env=environment | own, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seen = [json.loads(line) for line in log.read_text().splitlines()]
        assert seen  # the guard was there
        outside = [event for event in seen if not event[1].startswith((str(tmp_path), *ALLOWED))]
        return [*outside, *(tmp_path / "home").glob("intel/*")]

    return run


def test_a_picture_is_labelled_in_silence(events, tmp_path):
    words = ("segment", ROOT / "demo" / "leuvenA.jpg", "-o", tmp_path / "out", "--engine", "openvino")
    assert events("-m", "icnet_ros.command.main", *words) == []


@pytest.mark.ros
def test_the_node_starts_in_silence(events):
    words = ("build_only:=true", "warm_up_width:=64", "warm_up_height:=48", "engine:=openvino")
    arguments = [word for value in words for word in ("-p", value)]
    assert events("-m", "icnet_ros.node.main", "--ros-args", *arguments) == []


def test_libraries_of_quantize_are_silent(events):
    pytest.importorskip("nncf")
    code = "from icnet_ros.usage_events import *; disable_usage_events(); import openvino, nncf"
    assert events("-c", code) == []


def test_the_guard_sees_what_openvino_does_by_itself(events):
    pytest.importorskip("openvino_telemetry", reason="not installed: openvino has nothing to report with")
    assert events("-c", "import openvino")
