"""Message bytes (CDR) <-> message objects, through rosbags instead of rclpy.

Arrays of the objects are views into the bytes, so a large image is not copied.
"""

import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
GRID = "nav_msgs/msg/OccupancyGrid"
SCAN = "sensor_msgs/msg/LaserScan"
FRAME_LATENCY = "icnet_ros/msg/FrameLatency"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
LABEL_INFO = "vision_msgs/msg/LabelInfo"
# Types of other packages, which need not be installed.
DEFINITIONS = {
    COMPRESSED_VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n",
    FFMPEG_PACKET: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    "bool is_bigendian\nuint8[] data\n",
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    LABEL_INFO: "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n",
    "foxglove_msgs/msg/CompressedImage": "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\n"
    "string format\n",
    "foxglove_msgs/msg/RawImage": "builtin_interfaces/Time timestamp\nstring frame_id\nuint32 width\nuint32 height\n"
    "string encoding\nuint32 step\nuint8[] data\n",
    "foxglove_msgs/msg/CameraCalibration": "builtin_interfaces/Time timestamp\nstring frame_id\nuint32 width\n"
    "uint32 height\nstring distortion_model\nfloat64[] D\nfloat64[9] K\nfloat64[9] R\nfloat64[12] P\n",
}
# What the first two bytes of a message are if it is not CDR (0 and 1), by RTPS and DDS-XTypes.
OTHER_ENCODINGS = dict.fromkeys((2, 3), "parameter list of XCDR1") | dict.fromkeys(range(6, 12), "XCDR2")
NO_STAMP = -(2**63)  # stamps may be negative; this is none


class Time(Protocol):
    """builtin_interfaces/Time, of rosbags or of rclpy."""

    sec: int
    nanosec: int


class Header(Protocol):
    """std_msgs/Header, of rosbags or of rclpy."""

    stamp: Time
    frame_id: str


class WireError(ValueError):
    """An invalid message, image or bag; the message says what was found and what was expected."""


@cache
def typestore(frame_latency: Path | None = None) -> "Typestore":
    """Message definitions of ROS 2, and of FrameLatency if the path of its .msg file is given."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # 5 MB that pictures do not need

    store = get_typestore(Stores.LATEST)
    for kind, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, kind))
    if frame_latency is not None:
        store.register(get_types_from_msg(frame_latency.read_text(), FRAME_LATENCY))
    return store


def message_type(kind: str) -> Callable[..., Any]:
    """The class of rosbags for a message type, which takes its fields as keyword arguments."""
    found: Callable[..., Any] = typestore().types[kind]
    return found


def deserialise(data: bytes | memoryview, kind: str, store: "Typestore | None" = None) -> Any:
    """Object of message type `kind` whose arrays are views into `data`. Raises WireError."""
    if (encoding := _encoding(data)) in OTHER_ENCODINGS and len(data) >= 4:
        raise WireError(
            f"a {kind} is not in the CDR of ROS 2 but in encoding 0x{encoding:04x} "
            f"({OTHER_ENCODINGS[encoding]}); let the DDS program that sends it offer XCDR1"
        )
    try:
        return (store or typestore()).deserialize_cdr(memoryview(data), kind)
    except Exception as err:  # rosbags raises struct, index and value errors for invalid bytes
        raise WireError(f"{len(data)} bytes are not a {kind}: {err}") from err


def _encoding(data: bytes | memoryview) -> int:
    return int.from_bytes(data[:2], "big")


def serialise(message: Any, kind: str) -> bytes:
    """Bytes as rclpy would send them."""
    return bytes(typestore().serialize_cdr(message, kind))


def serialise_with(message: Any, kind: str, data: npt.NDArray[Any], behind: int = 0) -> bytes:
    """Bytes of a message whose last array of bytes, empty in `message`, is `data`; `behind` bytes follow it.

    rosbags would copy the data three times.
    """
    return with_data(serialise(message, kind), np.ascontiguousarray(data).data, behind)


def with_data(fields: bytes, data: memoryview, behind: int = 0) -> bytes:
    """Bytes of a message with `data` in place of its empty last array of bytes; `behind` bytes follow it."""
    view = memoryview(fields)
    end = len(view) - behind
    return b"".join((view[: end - 4], data.nbytes.to_bytes(4, sys.byteorder), data, view[end:]))


def peek_stamp(data: bytes | memoryview) -> int:
    """Stamp (ns) of a CDR message that begins with a std_msgs/Header; NO_STAMP if it is too short or no CDR."""
    if len(data) < 12 or _encoding(data) in OTHER_ENCODINGS:
        return NO_STAMP
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)
