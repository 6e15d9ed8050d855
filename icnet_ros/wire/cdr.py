"""Message bytes (CDR) <-> message objects, through rosbags instead of rclpy.

The objects hold views into the bytes, which is what makes a large image cheap to receive.
"""

from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
FRAME_LATENCY = "icnet_ros/msg/FrameLatency"


class WireError(ValueError):
    """A message that cannot be used; says what was found and what was expected."""


@cache
def typestore(frame_latency: Path | None = None) -> Typestore:
    """Message definitions; with `frame_latency`, the file of that name, its type as well."""
    store = get_typestore(Stores.LATEST)
    if frame_latency is not None:
        store.register(get_types_from_msg(frame_latency.read_text(), FRAME_LATENCY))
    return store


def deserialise(data: bytes, kind: str, store: Typestore | None = None) -> Any:
    """Object of message type `kind` whose arrays are views into `data`. Raises WireError."""
    try:
        return (store or typestore()).deserialize_cdr(memoryview(data), kind)
    except Exception as err:  # rosbags lets struct, index and value errors of the bytes through
        raise WireError(f"{len(data)} bytes are not a {kind}: {err}") from err


def serialise(message: Any, kind: str) -> bytes:
    """Bytes as rclpy would send them."""
    return bytes(typestore().serialize_cdr(message, kind))
