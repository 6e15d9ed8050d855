"""Organised clouds in the colours of classes."""

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.wire.cdr import POINT_CLOUD, message_type, serialise
from icnet_ros.wire.image import make_header

CLASSES = load_classes("camvid")
LABELS = np.arange(40 * 48, dtype=np.uint8).reshape(40, 48) % len(CLASSES)
BGR = np.array(CLASSES.colours, np.uint8)[LABELS][..., ::-1]


def cloud(bgr, *, rows=None, fields=("x", "y", "z", "rgb")):
    """An organised cloud with padding behind each row."""
    height, width = bgr.shape[:2]
    points = np.zeros((height, width + 1, 16), np.uint8)
    points[:, :width, 12:15] = bgr
    field = message_type("sensor_msgs/msg/PointField")
    return serialise(
        message_type(POINT_CLOUD)(
            header=make_header(10**9 + 7, "depth"), height=height if rows is None else rows, width=width,
            fields=[field(name=name, offset=4 * k, datatype=7, count=1) for k, name in enumerate(fields)],
            is_bigendian=False, point_step=16, row_step=16 * (width + 1), data=points.reshape(-1), is_dense=False,
        ), POINT_CLOUD,
    )  # fmt: skip
