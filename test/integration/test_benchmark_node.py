"""`icnet benchmark node`: what it reports of a real node."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.benchmark.rate import stamped
from icnet_ros.wire.image import decode_image, encode_image, make_header, stamp_ns


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


def test_a_node_that_cannot_start_ends_the_benchmark(tmp_path):
    command = [
        sys.executable,
        "-m",
        "icnet_ros.command.main",
        "benchmark",
        "node",
        "--model",
        str(tmp_path / "no.onnx"),
    ]
    done = subprocess.run(command, env=dict(os.environ), timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such file" in done.stderr


def test_a_message_with_another_stamp():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    message = encode_image(make_header(1, "camera"), pixels, "bgr8")
    picture = decode_image(stamped(message, 1_234_567_890_987_654_321))
    assert stamp_ns(picture.header) == 1_234_567_890_987_654_321
    assert picture.header.frame_id == "camera"
    assert (picture.pixels == pixels).all()
