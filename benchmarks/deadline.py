"""How many frames keep their latency budget while other processes steal the CPU: exit auto against sub124.

    python benchmarks/deadline.py --seconds 60

The real node twice, one run after the other, each under the same load: as many busy processes as there are
cores, on for twenty seconds and off for five. The budget is a share of what sub124 takes under load, measured
first. Prints one JSON line. Needs `source scripts/env.sh`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from icnet_ros.dds import profile_environment
from icnet_ros.evaluation.demo import graph_environment

BUSY = """
import time
while True:
    end = time.monotonic() + {on}
    while time.monotonic() < end:
        pass
    time.sleep({off})
"""


def main() -> None:
    """Measure, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--rate", type=float, default=5.0, help="Hz")
    parser.add_argument("--size", default="360x480", help="HEIGHTxWIDTH")
    parser.add_argument("--share", type=float, default=0.9, help="budget, of the median of sub124 under full load")
    parser.add_argument("--model", default="")
    arguments = parser.parse_args()
    size = tuple(map(int, arguments.size.split("x")))
    os.environ.update(graph_environment() | profile_environment())  # before rclpy reads it
    steady = stream("sub124", 0.0, 15.0, arguments.rate, size, arguments.model, on=3600)
    budget = arguments.share * float(np.median([message.total_ms for message in steady]))
    result: dict[str, Any] = {**vars(arguments), "budget_ms": round(budget, 1)}
    for exit_ in ("sub124", "auto"):
        frames = stream(exit_, budget, arguments.seconds, arguments.rate, size, arguments.model, on=20)
        total = np.array([message.total_ms for message in frames])
        result[exit_] = {
            "frames": len(frames),
            "within_budget": round(float((total <= budget).mean()), 4),
            "p50_ms": round(float(np.percentile(total, 50)), 1),
            "p95_ms": round(float(np.percentile(total, 95)), 1),
            "exits": dict(Counter(message.exit for message in frames)),
        }
    print(json.dumps(result))


@contextmanager
def load(on: float, off: float = 5.0) -> Iterator[None]:
    """Processes that keep every core busy for `on` seconds, then leave it for `off`, and again."""
    command = [sys.executable, "-c", BUSY.format(on=on, off=off)]
    busy = [subprocess.Popen(command) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def stream(
    exit_: str, budget: float, seconds: float, rate: float, size: tuple[int, ...], model: str, on: float
) -> list[Any]:
    """What the node says of each frame of a run under load."""
    import rclpy
    from icnet_ros.msg import FrameLatency
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    settings = {"exit": exit_, "latency_budget_ms": budget, "warm_up_height": size[0], "warm_up_width": size[1]}
    settings |= {"model": model} if model else {}
    words = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
    node = subprocess.Popen([sys.executable, "-m", "icnet_ros.node.main", "--ros-args", *words])
    rclpy.init()
    tester = rclpy.create_node("deadline_benchmark")
    latencies: list[FrameLatency] = []
    tester.create_subscription(FrameLatency, "/icnet/latency", latencies.append, QoSProfile(depth=100))
    publisher = tester.create_publisher(Image, "/image", 5)
    try:
        while publisher.get_subscription_count() == 0:
            rclpy.spin_once(tester, timeout_sec=0.1)
        image = Image(height=size[0], width=size[1], encoding="bgr8", step=3 * size[1])
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        image.data.frombytes(pixels.tobytes())
        with load(on):
            started = time.monotonic()
            for number in range(int(seconds * rate)):
                image.header.stamp = tester.get_clock().now().to_msg()
                publisher.publish(image)
                due = started + (number + 1) / rate
                while (left := due - time.monotonic()) > 0:
                    rclpy.spin_once(tester, timeout_sec=left)
        while rclpy.ok() and (before := len(latencies)) >= 0:
            rclpy.spin_once(tester, timeout_sec=1.0)
            if len(latencies) == before:
                break
    finally:
        rclpy.try_shutdown()
        node.send_signal(signal.SIGINT)
        node.wait(30)
    return latencies


if __name__ == "__main__":
    main()
