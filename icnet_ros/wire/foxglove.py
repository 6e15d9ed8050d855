"""Foxglove's schemas of camera data, as Protobuf, JSON or messages of ROS -> messages of ROS 2, as CDR.

Fields and their numbers: https://github.com/foxglove/foxglove-sdk/tree/main/schemas. A recording names the schema; the
definition in it is not needed.
"""

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from icnet_ros.wire.cdr import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    IMAGE,
    Time,
    WireError,
    deserialise,
    message_type,
    serialise,
    typestore,
)
from icnet_ros.wire.image import as_header

Fields = Mapping[str, Any]
Field = descriptor_pb2.FieldDescriptorProto
TIME, TEXT, BYTES, FIXED32, DOUBLES = "time", "text", "bytes", "fixed32", "doubles"
# schema -> name of each field -> (its number in Protobuf, its type)
SCHEMAS: dict[str, dict[str, tuple[int, str]]] = {
    "CompressedImage": {"timestamp": (1, TIME), "data": (2, BYTES), "format": (3, TEXT), "frame_id": (4, TEXT)},
    "CompressedVideo": {"timestamp": (1, TIME), "frame_id": (2, TEXT), "data": (3, BYTES), "format": (4, TEXT)},
    "RawImage": {
        "timestamp": (1, TIME), "width": (2, FIXED32), "height": (3, FIXED32), "encoding": (4, TEXT),
        "step": (5, FIXED32), "data": (6, BYTES), "frame_id": (7, TEXT),
    },
    "CameraCalibration": {
        "timestamp": (1, TIME), "width": (2, FIXED32), "height": (3, FIXED32), "distortion_model": (4, TEXT),
        "D": (5, DOUBLES), "K": (6, DOUBLES), "R": (7, DOUBLES), "P": (8, DOUBLES), "frame_id": (9, TEXT),
    },
}  # fmt: skip
KINDS = {
    "CompressedImage": COMPRESSED_IMAGE, "CompressedVideo": COMPRESSED_VIDEO, "RawImage": IMAGE,
    "CameraCalibration": CAMERA_INFO,
}  # fmt: skip


def schema_of(kind: str, encoding: str) -> str:
    """The schema in SCHEMAS that messages of this type and encoding have, "" if they have none of them."""
    package, _, name = kind.replace("::", ".").replace("/", ".").rpartition(".")
    of_encoding = {"protobuf": "foxglove", "json": "foxglove", "cdr": "foxglove_msgs", "ros1": "foxglove_msgs"}
    return name if package.removesuffix(".msg") == of_encoding.get(encoding) and name in SCHEMAS else ""


def converter(schema: str, encoding: str) -> tuple[str, Callable[[bytes], bytes]]:
    """The type of ROS 2 that messages of a schema become, and the conversion to CDR, which raises WireError."""

    def convert(content: bytes) -> bytes:
        try:
            return _as_ros(schema, READERS[encoding](schema, content))
        except WireError:
            raise
        except (DecodeError, ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError) as err:
            raise WireError(f"{len(content)} bytes are not a foxglove.{schema} in {encoding}: {err}") from err
        except Exception as err:  # rosbags raises struct errors and others for values that do not fit a field
            raise WireError(f"a foxglove.{schema} in {encoding} has values that do not fit: {err}") from err

    return KINDS[schema], convert


def _from_protobuf(schema: str, content: bytes) -> Fields:
    message = _message_classes()[schema]()
    message.ParseFromString(content)
    fields = {name: getattr(message, name) for name, (_, kind) in SCHEMAS[schema].items() if kind != TIME}
    return {**fields, "timestamp": _time(message.timestamp.seconds, message.timestamp.nanos)}


def _from_json(schema: str, content: bytes) -> Fields:
    values = json.loads(content)
    empty = {TEXT: "", BYTES: "", FIXED32: 0, DOUBLES: []}
    fields: dict[str, Any] = {
        name: values.get(name, empty[kind]) for name, (_, kind) in SCHEMAS[schema].items() if kind != TIME
    }
    if "data" in fields:
        fields["data"] = base64.b64decode(fields["data"], validate=True)
    for name, (_, kind) in SCHEMAS[schema].items():
        if kind == TEXT and not isinstance(fields[name], str):
            raise TypeError(f"{name} is {fields[name]!r:.40}, not a text")
    stamp = values.get("timestamp") or {}
    return {**fields, "timestamp": _time(int(stamp.get("sec", 0)), int(stamp.get("nsec", 0)))}


def _from_cdr(schema: str, content: bytes) -> Fields:
    """Of the package foxglove_msgs."""
    message = deserialise(content, f"foxglove_msgs/msg/{schema}")
    return {name: getattr(message, name) for name in SCHEMAS[schema]}


def _from_ros_1(schema: str, content: bytes) -> Fields:
    """Of the package foxglove_msgs of ROS 1, which has the same fields."""
    message = typestore().deserialize_ros1(content, f"foxglove_msgs/msg/{schema}")
    return {name: getattr(message, name) for name in SCHEMAS[schema]}


READERS: dict[str, Callable[[str, bytes], Fields]] = {
    "protobuf": _from_protobuf,
    "json": _from_json,
    "cdr": _from_cdr,
    "ros1": _from_ros_1,
}


def _as_ros(schema: str, fields: Fields) -> bytes:
    header = as_header(fields["timestamp"], fields["frame_id"])
    values: dict[str, Any] = {name: fields[name] for name in SCHEMAS[schema] if name not in ("timestamp", "frame_id")}
    if "data" in values:
        values["data"] = np.frombuffer(values["data"], np.uint8)
    if schema == "CompressedVideo":
        return serialise(
            message_type(COMPRESSED_VIDEO)(timestamp=header.stamp, frame_id=header.frame_id, **values), COMPRESSED_VIDEO
        )
    if schema == "RawImage":
        values["is_bigendian"] = 0
    if schema == "CameraCalibration":
        values = _calibration(values)
    kind = KINDS[schema]
    return serialise(message_type(kind)(header=header, **values), kind)


def _calibration(values: dict[str, Any]) -> dict[str, Any]:
    arrays = {name.lower(): np.asarray(values.pop(name), np.float64) for name in ("D", "K", "R", "P")}
    for name, size in (("k", 9), ("r", 9), ("p", 12)):
        if arrays[name].size == 0:
            arrays[name] = np.zeros(size)
        if arrays[name].shape != (size,):
            raise ValueError(f"{name.upper()} has {arrays[name].size} numbers instead of {size}")
    region = message_type("sensor_msgs/msg/RegionOfInterest")(
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return {**values, **arrays, "binning_x": 0, "binning_y": 0, "roi": region}


def _time(seconds: int, nanoseconds: int) -> Time:
    if not 0 <= nanoseconds < 10**9:
        raise ValueError(f"a timestamp of {nanoseconds} nanoseconds")
    stamp: Time = message_type("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
    return stamp


@cache
def _message_classes() -> dict[str, Any]:
    """Classes of protobuf for SCHEMAS, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name="foxglove.proto", package="foxglove", syntax="proto3")
    time = file.message_type.add(name="Timestamp")  # as google.protobuf.Timestamp
    time.field.add(name="seconds", number=1, type=Field.TYPE_INT64, label=Field.LABEL_OPTIONAL)
    time.field.add(name="nanos", number=2, type=Field.TYPE_INT32, label=Field.LABEL_OPTIONAL)
    types = {
        TEXT: Field.TYPE_STRING, BYTES: Field.TYPE_BYTES, FIXED32: Field.TYPE_FIXED32, DOUBLES: Field.TYPE_DOUBLE,
        TIME: Field.TYPE_MESSAGE,
    }  # fmt: skip
    for schema, fields in SCHEMAS.items():
        message = file.message_type.add(name=schema)
        for name, (number, kind) in fields.items():
            field = message.field.add(name=name, number=number, type=types[kind])
            field.label = Field.LABEL_REPEATED if kind == DOUBLES else Field.LABEL_OPTIONAL
            if kind == TIME:
                field.type_name = ".foxglove.Timestamp"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        schema: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"foxglove.{schema}")) for schema in SCHEMAS
    }
