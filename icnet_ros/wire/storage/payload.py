"""Recorded bytes -> CDR, as ROS 2 would send it: unpacked, and converted from ROS 1 and from Foxglove's schemas."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import zstandard
from rosbags.convert.converter import migrate_bytes
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from icnet_ros.wire.cdr import WireError, typestore
from icnet_ros.wire.foxglove import converter, schema_of

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # no CDR message begins like this
MAX_MESSAGE_BYTES = 2**30


@dataclass(frozen=True)
class Payload:
    """Messages of a topic. kind: their type in ROS 2, "" if it is not known. convert: to CDR; raises WireError.

    encoding: "cdr", or that of the messages if they are left as they are.
    """

    kind: str
    convert: Callable[[bytes], bytes]
    encoding: str = "cdr"

    def __call__(self, content: bytes) -> tuple[bytes, str]:
        """CDR bytes, and "" or why there are none."""
        try:
            return self.convert(content), ""
        except WireError as err:
            return b"", str(err)


def as_cdr(kind: str, encoding: str) -> Payload:
    """How messages of this type and encoding become CDR; those of unknown encodings are left as they are."""
    name = ros_2_name(kind)
    if schema := schema_of(kind, encoding):
        ros_kind, convert = converter(schema, encoding)
        return Payload(ros_kind, (lambda content: convert(unpack_message(content))) if encoding == "cdr" else convert)
    if encoding == "ros1" and name in _ros_1_types().types and name in typestore().types:
        return Payload(name, _from_ros_1(name))
    if encoding in ("cdr", ""):
        return Payload(name, unpack_message)
    return Payload(name if encoding == "ros1" else kind, bytes, encoding)


def ros_2_name(kind: str) -> str:
    """Name of a message type in ROS 2: sensor_msgs/Image and sensor_msgs::msg::Image are sensor_msgs/msg/Image."""
    parts = kind.replace("::", "/").split("/")
    return "/".join((parts[0], "msg", parts[1])) if len(parts) == 2 else "/".join(parts)


def unpack_message(content: bytes) -> bytes:
    """A message that rosbag2 recorded, unpacked if it was recorded with `--compression-mode message`.

    Only metadata.yaml would say so, but the first bytes of a zstd frame are no beginning of a message. Raises
    WireError.
    """
    if not content.startswith(ZSTD_MAGIC):
        return content
    try:
        size = zstandard.frame_content_size(content)
        if size > MAX_MESSAGE_BYTES:
            raise WireError(f"a compressed message of {len(content)} bytes declares {size / 2**30:.1f} GiB")
        with zstandard.ZstdDecompressor().stream_reader(content) as reader:
            unpacked = reader.read(size if size >= 0 else MAX_MESSAGE_BYTES)
    except zstandard.ZstdError as err:
        raise WireError(f"a compressed message of {len(content)} bytes cannot be unpacked: {err}") from err
    if 0 <= size != len(unpacked):
        raise WireError(f"a compressed message of {len(content)} bytes is cut off: {len(unpacked)} of {size} bytes")
    return unpacked


@cache
def _ros_1_types() -> Typestore:
    return get_typestore(Stores.ROS1_NOETIC)


def _from_ros_1(kind: str) -> Callable[[bytes], bytes]:
    """From the serialisation of ROS 1."""
    cache_: dict[str, Any] = {}

    def convert(content: bytes) -> bytes:
        try:
            return bytes(
                migrate_bytes(_ros_1_types(), typestore(), kind, kind, cache_, content, src_is2=False, dst_is2=True)
            )
        except Exception as err:  # rosbags raises many exception types for invalid bytes
            raise WireError(f"{len(content)} bytes are not a {kind} of ROS 1: {err}") from err

    return convert
