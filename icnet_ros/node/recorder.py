"""`python -m icnet_ros.node.recorder`: writes the node's answers into a bag, as they came."""

import argparse
import math
import time
from functools import partial
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from icnet_ros.msg import FrameLatency
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import FRAME_LATENCY, IMAGE

QUIET_S = 2.0


class Recorder(Node):
    """Records labels and latency of a segmentation node as bytes, with their time of arrival."""

    def __init__(self, node: str, bag: Path) -> None:
        super().__init__("recorder")
        kinds = {f"{node}/labels": (Image, IMAGE), f"{node}/latency": (FrameLatency, FRAME_LATENCY)}
        self._writer = BagWriter(bag, [(topic, name) for topic, (_, name) in kinds.items()])
        self._last = math.inf
        self._longest_gap = 0.0
        for topic, (kind, _) in kinds.items():
            # Deep, so that a stall of this process loses nothing.
            self.create_subscription(kind, topic, partial(self._save, topic), QoSProfile(depth=100), raw=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(LabelInfo, f"{node}/label_info", lambda _: print("READY", flush=True), latched)
        self.create_timer(0.2, self._check_quiet)

    def _save(self, topic: str, data: bytes) -> None:
        self._writer.write(topic, data, time.time_ns())
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now

    def _check_quiet(self) -> None:
        if time.monotonic() - self._last > max(QUIET_S, 3 * self._longest_gap):
            self._last = math.inf
            print("QUIET", flush=True)

    def close(self) -> None:
        """Complete the bag."""
        self._writer.close()


def main() -> None:
    """Record NAME/labels and NAME/latency until SIGINT or SIGTERM.

    Prints READY once the node's label info has arrived, that is once both have found each other, and
    QUIET when nothing has come for far longer than before.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bag", type=Path, help="folder to create")
    parser.add_argument("--node", default="/icnet")
    arguments = parser.parse_args()
    rclpy.init()
    recorder = Recorder(arguments.node, arguments.bag)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        recorder.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
