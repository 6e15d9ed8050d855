"""Baseline for comparison: a segmentation node with typed rclpy messages and the copies of cv_bridge.

The image is deserialised into a message object, its data viewed as an array, the label map copied into a message
object as cv_bridge does (`data.frombytes(array.tobytes())`, the fast way), and that is serialised again.
"""

import sys
from contextlib import suppress

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from icnet_ros.engine.base import Frame
from icnet_ros.node.benchmark.stub_engine import StubEngine


class ConventionalNode(Node):
    """Subscribes to `image`, publishes `icnet/labels`."""

    def __init__(self, reliability: ReliabilityPolicy) -> None:
        super().__init__("conventional")
        self._engine = StubEngine()
        self._labels = self.create_publisher(Image, "icnet/labels", 1)
        self.create_subscription(Image, "image", self._on_image, QoSProfile(depth=5, reliability=reliability))

    def _on_image(self, message: Image) -> None:
        pixels = np.asarray(message.data, np.uint8).reshape(message.height, message.width, 3)
        labels = self._engine.segment([Frame(pixels)])[0].labels
        output = Image(header=message.header, height=message.height, width=message.width, encoding="mono8")
        output.data.frombytes(labels.tobytes())
        output.step = len(output.data) // output.height
        self._labels.publish(output)


if __name__ == "__main__":
    rclpy.init()
    node = ConventionalNode(ReliabilityPolicy[sys.argv[1]])
    with suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.spin(node)
