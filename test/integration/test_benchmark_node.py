"""`icnet benchmark node`: what it reports of a real node."""

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.benchmark.graph import page_faults
from icnet_ros.node.benchmark.rate import stamped
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_image, make_header, stamp_ns


@pytest.mark.usefixtures("domain")
@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_slow_rate_loses_nothing(model, tmp_path, transport):
    out, picture = tmp_path / "node.json", tmp_path / "node.png"
    command = [sys.executable, "-m", "icnet_ros.command.main", "benchmark", "node", "--size", "120x160", "--rate", "2"]
    command += ["--seconds", "2", "--engine", "torch", "--transport", transport, "--model", str(model)]
    command += ["--picture", str(picture), "--json", str(out)]
    subprocess.run(command, env=dict(os.environ), timeout=120, check=True, capture_output=True)
    (result,) = json.loads(out.read_text())["sizes"]
    (run,) = result["runs"]
    assert run["sent"] == run["labelled"] == 4
    assert run["latency_p50_ms"] <= run["latency_p95_ms"]
    stages = run["stages"]
    assert stages["total"] >= stages["inference"] > 0
    assert run["latency_p95_ms"] > stages["inference"]
    assert picture.is_file()


@pytest.mark.usefixtures("domain")
def test_overhead_compares_two_nodes_that_lose_nothing(tmp_path):
    out = tmp_path / "overhead.json"
    command = [sys.executable, "-m", "icnet_ros.command.main", "benchmark", "node-overhead", "--size", "48x64"]
    command += ["--reliability", "reliable", "--profile", "shipped", "--load", "0", "--frames", "5", "--rounds", "1"]
    subprocess.run([*command, "--json", str(out)], timeout=120, check=True, capture_output=True)
    (case,) = json.loads(out.read_text())["cases"]
    for node in ("ours", "conventional"):
        assert case[node]["lost"] == 0
        assert 0 < case[node]["p50_ms"] <= case[node]["p95_ms"]
        assert case[node]["pages"] >= 0


def test_new_pages_of_a_process_are_counted():
    before = page_faults(os.getpid())
    with mmap.mmap(-1, 100 * mmap.PAGESIZE) as memory:
        memory.write(bytes(len(memory)))
    assert 100 <= page_faults(os.getpid()) - before < 10_000


@pytest.mark.parametrize("name", ["node", "cameras"])
def test_a_node_that_cannot_start_ends_the_benchmark(tmp_path, name):
    command = [sys.executable, "-m", "icnet_ros.command.main", "benchmark", name, "--model", str(tmp_path / "no.onnx")]
    done = subprocess.run(command, env=dict(os.environ), timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such file" in done.stderr


@pytest.mark.usefixtures("domain")
def test_a_closed_terminal_ends_the_node_under_test(model):
    """The node has a session of its own, so that SIGHUP does not reach it."""
    parameters = {"engine": "torch", "model": str(model)}
    options = {"cameras": 1, "rate": 1, "height": 32, "width": 32, "seconds": 600, "parameters": parameters}
    command = [sys.executable, "-m", "icnet_ros.node.benchmark", "cameras", json.dumps(options)]
    process = subprocess.Popen(command)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: children.read_text(encoding="utf-8").split(), 30)
    node = Path("/proc", children.read_text(encoding="utf-8").split()[0])
    wait_until(lambda: "icnet_ros.node.main" in (node / "cmdline").read_text(), 10)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 1
    assert not node.exists()


def wait_until(true, seconds):
    due = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < due
        time.sleep(0.1)


def test_a_message_with_another_stamp():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    message = encode_image(make_header(1, "camera"), pixels, "bgr8")
    picture = decode_image(stamped(message, 1_234_567_890_987_654_321))
    assert stamp_ns(picture.header) == 1_234_567_890_987_654_321
    assert picture.header.frame_id == "camera"
    assert (picture.pixels == pixels).all()
