"""Overhead of ROS per frame: publisher and node in two processes, with a stub engine that takes no time."""

import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from icnet_ros.node.benchmark.graph import busy_processes, cpu_seconds, page_faults, participant, spin_until, stop
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import encode_image, make_header

WARM_UP = 10  # frames


def measure(
    node: str, height: int, width: int, reliability: str, frames: int, rate: float, load: int
) -> dict[str, float]:
    """Latency from image published to label image received (ms), CPU time (ms) and new pages of memory of the node per
    frame, labels lost.

    node: "ours" or "conventional". load: busy processes beside them.
    """
    with ExitStack() as stack:
        if load:
            stack.enter_context(busy_processes(load))
        process = subprocess.Popen(_command(node, reliability))
        stack.callback(stop, process)
        tester = stack.enter_context(participant("overhead_benchmark"))
        sent: dict[int, float] = {}
        received: dict[int, float] = {}

        def on_labels(data: bytes | memoryview) -> None:
            now = time.monotonic()
            received[decode_labels(data)[0].stamp.sec] = now

        BytesSubscription(tester, Image, "/icnet/labels", on_labels, qos_profile=10)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
        publisher = tester.create_publisher(Image, "/image", qos)
        while publisher.get_subscription_count() == 0:
            if process.poll() is not None:
                raise SystemExit(f"the {node} node exited at start-up with code {process.returncode}")
            rclpy.spin_once(tester, timeout_sec=0.1)
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        started, used, faults = time.monotonic() + 1.0, 0.0, 0
        for number in range(1, WARM_UP + frames + 1):
            spin_until(tester, started + number / rate)
            if number == WARM_UP + 1:
                used, faults = cpu_seconds(process.pid), page_faults(process.pid)
            message = encode_image(make_header(number * 10**9, "front"), pixels, "bgr8")
            sent[number] = time.monotonic()
            publisher.publish(message)
        last = time.monotonic()
        while len(received) < len(sent) and time.monotonic() - last < 2.0:
            rclpy.spin_once(tester, timeout_sec=0.1)
        used, faults = cpu_seconds(process.pid) - used, page_faults(process.pid) - faults
    counted = range(WARM_UP + 1, WARM_UP + frames + 1)
    latency = [1000 * (received[number] - sent[number]) for number in counted if number in received] or [np.nan]
    return {
        "p50_ms": float(np.percentile(latency, 50)),
        "p95_ms": float(np.percentile(latency, 95)),
        "cpu_ms": 1000 * used / frames,
        "pages": faults / frames,
        "lost": float(sum(number not in received for number in counted)),
    }


def _command(node: str, reliability: str) -> list[str]:
    if node == "conventional":
        return [sys.executable, "-m", "icnet_ros.node.benchmark.conventional", reliability.upper()]
    qos = ("-p", f"qos_overrides./image.subscription.reliability:={reliability}")
    arguments = ["--ros-args", "--log-level", "error", "-p", "engine:=torch", *qos]
    return [sys.executable, "-m", "icnet_ros.node.benchmark.stub_engine", *arguments]
