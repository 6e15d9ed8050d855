"""The class table as messages."""

from collections.abc import Sequence
from typing import Any

from vision_msgs.msg import LabelInfo, VisionClass

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import EngineError

try:
    from elevation_map_msgs.msg import ChannelInfo
except ImportError:
    from icnet_ros.msg import ChannelInfo  # has the same fields

CHANNEL_INFO: type = ChannelInfo


def label_info(classes: ClassTable, *, unlabelled: bool, threshold: float) -> LabelInfo:
    """vision_msgs/LabelInfo; unlabelled: whether it lists the id of pixels without a class."""
    table = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(classes.names)]
    if unlabelled:
        table.append(VisionClass(class_id=classes.ignore, class_name="unlabelled"))
    return LabelInfo(class_map=table, threshold=threshold)


def score_channels(classes: ClassTable, wanted: Sequence[str]) -> tuple[int, ...]:
    """Ids of the classes that the channels of ~/scores hold; ("",) stands for all. Raises EngineError."""
    if tuple(wanted) == ("",):
        return tuple(range(len(classes)))
    if len(set(wanted)) < len(wanted):
        raise EngineError(f"score_classes: a class is listed twice: {', '.join(wanted)}")
    for name in wanted:
        if name not in classes.names:
            raise EngineError(f"score_classes: no class {name!r}; there are {', '.join(classes.names)}")
    return tuple(classes.names.index(name) for name in wanted)


def channel_info(classes: ClassTable, channels: Sequence[int]) -> Any:
    """Names of the channels, elevation_map_msgs/ChannelInfo where that package is there, else icnet_ros/ChannelInfo."""
    return CHANNEL_INFO(channels=[classes.names[index] for index in channels])
