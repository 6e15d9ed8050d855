"""Does every large best-effort image reach the node? A plain typed rclpy publisher against the real node.

    python benchmarks/transport.py --frames 100 --rate 5 --size 1024x2048

Prints one JSON line: frames sent, received by the node, lost in transport. Needs `source scripts/env.sh`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.evaluation.demo import graph_environment


def main() -> None:
    """Start the node, publish, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5.0, help="Hz")
    parser.add_argument("--size", default="1024x2048", help="HEIGHTxWIDTH")
    parser.add_argument("--default-transport", action="store_true", help="without the shipped DDS profile")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    environment = graph_environment()
    if arguments.default_transport:
        environment.pop(OLD, None)
        environment.pop(NEW, None)
    else:
        environment.update(profile_environment())
    os.environ.clear()
    os.environ.update(environment)  # before rclpy reads it
    node = subprocess.Popen([sys.executable, "-m", "icnet_ros.node.main"], env=environment)
    try:
        received = stream(arguments.frames, arguments.rate, height, width)
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(30)
    result = {**vars(arguments), "received": received, "lost": arguments.frames - received}
    print(json.dumps(result))


def stream(frames: int, rate: float, height: int, width: int) -> int:
    """Publish typed images; how many of them the node says it received."""
    import rclpy
    from icnet_ros.msg import FrameLatency
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    rclpy.init()
    tester = rclpy.create_node("transport_benchmark")
    latencies: list[FrameLatency] = []
    tester.create_subscription(FrameLatency, "/icnet/latency", latencies.append, QoSProfile(depth=100))
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = tester.create_publisher(Image, "/image", qos)
    while publisher.get_subscription_count() == 0:
        rclpy.spin_once(tester, timeout_sec=0.1)
    time.sleep(1.0)
    image = Image(height=height, width=width, encoding="bgr8", step=3 * width)
    image.data.frombytes(bytes(3 * width * height))
    started = time.monotonic()
    for number in range(frames):
        image.header.stamp = tester.get_clock().now().to_msg()
        publisher.publish(image)
        due = started + (number + 1) / rate
        while (left := due - time.monotonic()) > 0:
            rclpy.spin_once(tester, timeout_sec=left)
    quiet, seen = time.monotonic(), len(latencies)
    while time.monotonic() - quiet < 5.0:  # the last frames may still be at work
        rclpy.spin_once(tester, timeout_sec=0.2)
        if len(latencies) != seen:
            quiet, seen = time.monotonic(), len(latencies)
    rclpy.try_shutdown()
    return int(latencies[-1].received) if latencies else 0


if __name__ == "__main__":
    main()
