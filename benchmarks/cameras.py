"""Does any of several cameras starve, is anything lost in transport, do labels get old? Publishers against the node.

    python benchmarks/cameras.py --cameras 4 --rate 5 --size 360x480 --seconds 60
    python benchmarks/cameras.py --cameras 1 --rate 60 --seconds 120               # far more than can be segmented

Prints one JSON line: of each camera what was sent, received, processed and dropped, the 95th percentile of the age of
its labels and what it may be (two periods of the camera and the time a frame takes once it is in hand), and the largest
over the smallest number processed. Needs `source scripts/env.sh`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from icnet_ros.dds import profile_environment
from icnet_ros.evaluation.demo import graph_environment

NAMES = ("front", "left", "right", "rear", "up", "down")
COUNTED = ("received", "processed", "dropped", "failed")


def main() -> None:
    """Start the node, publish, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=4, choices=range(1, len(NAMES) + 1))
    parser.add_argument("--rate", type=float, default=5.0, help="Hz, of each")
    parser.add_argument("--size", default="360x480", help="HEIGHTxWIDTH")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    os.environ.update(graph_environment() | profile_environment())  # before rclpy reads it
    names = NAMES[: arguments.cameras]
    words = ["-p", f"cameras:={list(names)}", "-p", f"precision:={arguments.precision}"]
    node = subprocess.Popen([sys.executable, "-m", "icnet_ros.node.main", "--ros-args", *words])
    try:
        result = stream(names, arguments.rate, arguments.seconds, tuple(map(int, arguments.size.split("x"))))
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(30)
    processed = [counters["processed"] for counters in result.values()]
    sums = {
        "max_over_min": round(max(processed) / max(1, min(processed)), 3),
        "lost": sum(c["sent"] - c["received"] for c in result.values()),
    }
    print(json.dumps({**vars(arguments), **sums, "of_each": result}))


def stream(names: tuple[str, ...], rate: float, seconds: float, size: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Publish from all cameras, evenly spread; what the node says of each at the end."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from icnet_ros.msg import FrameLatency
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    rclpy.init()
    tester = rclpy.create_node("cameras_benchmark")
    said: dict[str, dict[str, int]] = {}

    def on_diagnostics(array: Any) -> None:
        for status in array.status:
            values = {pair.key: pair.value for pair in status.values}
            said[status.name.partition(": ")[2]] = {key: int(values.get(key, 0)) for key in COUNTED}

    tester.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
    latencies: dict[str, list[FrameLatency]] = {name: [] for name in names}
    for name in names:
        tester.create_subscription(FrameLatency, f"/icnet/{name}/latency", latencies[name].append, 100)
    publishers = [tester.create_publisher(Image, f"/{name}/image", qos_profile_sensor_data) for name in names]
    while not all(publisher.get_subscription_count() for publisher in publishers):
        rclpy.spin_once(tester, timeout_sec=0.1)
    time.sleep(1.0)
    height, width = size
    image = Image(height=height, width=width, encoding="bgr8", step=3 * width)
    image.data.frombytes(os.urandom(3 * width * height))
    sent = int(rate * seconds)
    started = time.monotonic()
    for number in range(sent * len(names)):
        image.header.stamp = tester.get_clock().now().to_msg()
        publishers[number % len(names)].publish(image)
        due = started + (number + 1) / rate / len(names)
        while (left := due - time.monotonic()) > 0:
            rclpy.spin_once(tester, timeout_sec=left)
    end = time.monotonic() + 4.0  # the last frames, and the diagnostics after them
    while time.monotonic() < end:
        rclpy.spin_once(tester, timeout_sec=0.2)
    rclpy.try_shutdown()
    result: dict[str, dict[str, float]] = {}
    for name, messages in latencies.items():
        age = np.percentile([message.age_ms for message in messages], 95)
        at_work = np.percentile([message.total_ms - message.wait_ms for message in messages], 95)
        ages = {"age_ms_p95": round(age, 1), "allowed_ms": round(2000 / rate + len(names) * at_work, 1)}
        result[name] = {"sent": sent, **said[name], **ages}
    return result


if __name__ == "__main__":
    main()
