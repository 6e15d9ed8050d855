"""Message bytes (CDR) <-> message objects, through rosbags instead of rclpy.

Arrays of the objects are views into the bytes, so a large image is not copied.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
FRAME_LATENCY = "icnet_ros/msg/FrameLatency"


class WireError(ValueError):
    """An invalid message, image or bag; the message says what was found and what was expected."""


@cache
def typestore(frame_latency: Path | None = None) -> "Typestore":
    """Message definitions of ROS 2, and of FrameLatency if the path of its .msg file is given."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # 5 MB that pictures do not need

    store = get_typestore(Stores.LATEST)
    if frame_latency is not None:
        store.register(get_types_from_msg(frame_latency.read_text(), FRAME_LATENCY))
    return store


def deserialise(data: bytes | memoryview, kind: str, store: "Typestore | None" = None) -> Any:
    """Object of message type `kind` whose arrays are views into `data`. Raises WireError."""
    try:
        return (store or typestore()).deserialize_cdr(memoryview(data), kind)
    except Exception as err:  # rosbags raises struct, index and value errors for invalid bytes
        raise WireError(f"{len(data)} bytes are not a {kind}: {err}") from err


def serialise(message: Any, kind: str) -> bytes:
    """Bytes as rclpy would send them."""
    return bytes(typestore().serialize_cdr(message, kind))
