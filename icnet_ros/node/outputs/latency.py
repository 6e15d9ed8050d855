"""~/latency: how long each stage of a frame took."""

from typing import ClassVar

from rclpy.qos import QoSProfile

from icnet_ros.msg import FrameLatency
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.outputs.base import Output, Topic

CONTENT = (
    "icnet_ros/FrameLatency: ms by stage (`transport_ms`, `wait_ms`, ..., `total_ms` in the node, `age_ms` since the "
    "stamp) and counters; each field is explained by `ros2 interface show icnet_ros/msg/FrameLatency`"
)


class Latency(Output):
    """Stage times of every frame, after everything else of it was published."""

    topics = (Topic("latency", FrameLatency, CONTENT, QoSProfile(depth=10)),)
    last: ClassVar[bool] = True

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        message = FrameLatency(engine=frame.engine, exit=frame.exit, **frame.stages)
        message.input_rows = frame.label_map.input_rows
        message.header.stamp.sec = frame.header.stamp.sec
        message.header.stamp.nanosec = frame.header.stamp.nanosec
        message.header.frame_id = frame.header.frame_id
        counters = frame.counters
        message.received, message.dropped, message.failed = counters.received, counters.dropped, counters.failed
        message.skipped = counters.skipped
        message.processed = counters.processed + 1  # this frame is counted after publishing
        self.send("latency", message)
