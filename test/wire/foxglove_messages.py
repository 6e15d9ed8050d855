"""Messages of Foxglove, as JSON and as Protobuf written by hand."""

import json
from base64 import b64encode

import numpy as np
from recordings import BEGAN, PIXELS, write_mcap

from icnet_ros.wire.image import png_file


def varint(number):
    more = number >> 7
    return bytes([number & 127 | (128 if more else 0)]) + (varint(more) if more else b"")


def field(number, content):
    """A field of Protobuf, written by hand: bytes, or an int as fixed32."""
    if isinstance(content, int):
        return varint(number << 3 | 5) + content.to_bytes(4, "little")
    return varint(number << 3 | 2) + varint(len(content)) + content


def time_in_protobuf(seconds, nanoseconds):
    return field(1, varint(1 << 3) + varint(seconds) + varint(2 << 3) + varint(nanoseconds))


def foxglove_drive(path, encoding):
    """A camera as files, a camera as pixels with ground truth, and a calibration."""
    labels, numbers = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16), np.arange(9.0)
    content = {"/front": [], "/left/image": [], "/left/ground_truth": [], "/info": []}
    for number in range(3):
        file, time = png_file(PIXELS).tobytes(), {"sec": 7, "nsec": number}
        raw = {"timestamp": time, "frame_id": "cam", "width": 16, "height": 12}
        if encoding == "json":
            made = [
                {"timestamp": time, "frame_id": "cam", "format": "png", "data": b64encode(file).decode()},
                {**raw, "encoding": "bgr8", "step": 48, "data": b64encode(PIXELS.tobytes()).decode()},
                {**raw, "encoding": "mono8", "step": 16, "data": b64encode(labels.tobytes()).decode()},
                {**raw, "K": numbers.tolist(), "R": [], "P": [0.5] * 12, "D": [], "distortion_model": "plumb_bob"},
            ]
            made = [json.dumps(one).encode() for one in made]
        else:
            stamp = time_in_protobuf(7, number)
            size = stamp + field(2, 16) + field(3, 12)
            made = [
                stamp + field(2, file) + field(3, b"png") + field(4, b"cam"),
                size + field(4, b"bgr8") + field(5, 48) + field(6, PIXELS.tobytes()) + field(7, b"cam"),
                size + field(4, b"mono8") + field(5, 16) + field(6, labels.tobytes()) + field(7, b"cam"),
                size
                + field(4, b"plumb_bob")
                + field(6, numbers.tobytes())
                + field(8, np.full(12, 0.5).tobytes())
                + field(9, b"cam"),
            ]
        for topic, data in zip(content, made, strict=True):
            content[topic].append((BEGAN + number, data))
    schemas = ("CompressedImage", "RawImage", "RawImage", "CameraCalibration")
    kinds = ("jsonschema" if encoding == "json" else "protobuf", encoding, b"")
    named = {
        topic: (f"foxglove.{schema}", content[topic], kinds) for topic, schema in zip(content, schemas, strict=True)
    }
    return write_mcap(path, named, profile=""), labels
