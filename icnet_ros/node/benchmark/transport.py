"""Loss of large best-effort images in transport, from a plain typed rclpy publisher to the node."""

from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from icnet_ros.msg import FrameLatency
from icnet_ros.node.benchmark.graph import (
    node_under_test,
    participant,
    publish_at_rate,
    random_image,
    spin_until_quiet,
    wait_for_subscribers,
)

QUIET_S = 5.0  # the node may still be busy with the last frames


def measure(frames: int, rate: float, height: int, width: int) -> dict[str, Any]:
    """Frames sent, received by the node, lost in transport; rate in Hz."""
    latencies: list[FrameLatency] = []
    with node_under_test({}) as process, participant("transport_benchmark") as node:
        node.create_subscription(FrameLatency, "/icnet/latency", latencies.append, QoSProfile(depth=100))
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        publisher = node.create_publisher(Image, "/image", qos)
        wait_for_subscribers(node, [publisher], process)
        publish_at_rate(node, [publisher], random_image(height, width), rate, frames)
        spin_until_quiet(node, lambda: len(latencies), QUIET_S)
    received = int(latencies[-1].received) if latencies else 0
    return {"sent": frames, "received": received, "lost": frames - received}
