"""`python -m icnet_ros.node.recorder`: writes labels and latencies of the node into a bag, as they come."""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from icnet_ros.msg import FrameLatency
from icnet_ros.node.diagnostics import status_name
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import FRAME_LATENCY, IMAGE


class Recorder(Node):
    """Records labels and latency of a segmentation node as bytes, with their time of arrival."""

    def __init__(self, node: str, bag: Path) -> None:
        super().__init__("recorder")
        kinds = {f"{node}/labels": (Image, IMAGE), f"{node}/latency": (FrameLatency, FRAME_LATENCY)}
        self._writer = BagWriter(bag, [(topic, name) for topic, (_, name) in kinds.items()])
        self._status = status_name(node)
        self._labels = 0
        for topic, (kind, _) in kinds.items():
            # Deep queue: no message is lost if this process stalls.
            self.create_subscription(kind, topic, partial(self._save, topic), QoSProfile(depth=100), raw=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(LabelInfo, f"{node}/label_info", lambda _: print("READY", flush=True), latched)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _save(self, topic: str, data: bytes) -> None:
        self._writer.write(topic, data, time.time_ns())
        self._labels += topic.endswith("/labels")

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == self._status and "received" in values:
                counters = {key: int(values[key]) for key in ("received", "processed", "dropped", "failed")}
                print("COUNTERS", json.dumps({**counters, "recorded": self._labels}), flush=True)

    def close(self) -> None:
        """Complete the bag."""
        self._writer.close()


def main() -> None:
    """Record NAME/labels and NAME/latency until SIGINT or SIGTERM.

    Prints READY once the node's label info has arrived, that is once discovery is complete, and COUNTERS
    with the node's frame counters each time it publishes diagnostics.
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
