"""Outputs by name. Adding one is one new file and one line here.

`python -m icnet_ros.node.outputs.table` prints their rows of docs/topics.md.
"""

from rclpy.qos import DurabilityPolicy

from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.outputs.camera_info import LabelCameraInfo
from icnet_ros.node.outputs.cloud import Cloud
from icnet_ros.node.outputs.color import Color
from icnet_ros.node.outputs.confidence import Confidence
from icnet_ros.node.outputs.ground import Ground
from icnet_ros.node.outputs.label_info import LabelInfo
from icnet_ros.node.outputs.labels import CompressedLabels, Labels
from icnet_ros.node.outputs.latency import Latency
from icnet_ros.node.outputs.overlay import Overlay
from icnet_ros.node.outputs.points import Points
from icnet_ros.node.outputs.scores import Scores

# name in logs and /diagnostics -> output; published in this order, those that are for every frame first
OUTPUTS: dict[str, type[Output]] = {
    "labels": Labels,
    "labels/compressed": CompressedLabels,
    "confidence": Confidence,
    "scores": Scores,
    "camera_info": LabelCameraInfo,
    "color": Color,
    "overlay": Overlay,
    "points": Points,
    "cloud": Cloud,
    "ground": Ground,
    "label_info": LabelInfo,
    "latency": Latency,
}


def to_markdown() -> str:
    """The rows of the outputs in the table of docs/topics.md."""
    rows = [_row(output, topic) for output in OUTPUTS.values() for topic in output.topics]
    return "\n".join(rows) + "\n"


def _row(output: type[Output], topic: Topic) -> str:
    kept = topic.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    qos = "reliable, transient local" if kept else f"reliable, depth {topic.qos.depth}"
    when = "every processed frame" if output.always else "if subscribed"
    if topic.latched:
        when = "on configure, and for every new subscriber"
    return f"| `~/{topic.name}` | {topic.content} | {qos} | {when} |"


if __name__ == "__main__":
    print(to_markdown(), end="")
