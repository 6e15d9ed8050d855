"""Schemas of Foxglove as Protobuf, JSON and messages of ROS 2."""

import json
from base64 import b64encode

import numpy as np
import pytest
from recordings import BEGAN, PIXELS, write_mcap

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, deserialise, typestore
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import make_header, png_file, stamp_ns
from icnet_ros.wire.index import index_topics


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


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_schemas_of_foxglove_are_read_as_messages_of_ros(tmp_path, encoding):
    path, labels = foxglove_drive(tmp_path / "x.mcap", encoding)
    with open_bag(path) as opened:
        assert [topic.name for topic in opened.cameras()] == ["/front", "/left/image"]
        front, left = opened.cameras()
        assert opened.ground_truth_topic("", left).name == "/left/ground_truth"
        for camera in (front, left):
            pictures = [open_decoder(camera.kind).decode(one.data)[0] for one in opened.messages(camera.name)]
            assert [(stamp_ns(one.header), one.header.frame_id) for one in pictures] == [
                (7 * 10**9 + number, "cam") for number in range(3)
            ]
            assert all(np.array_equal(one.pixels, PIXELS) for one in pictures)
            assert index_topics(opened, [camera.name])[camera.name].stamps[2] == 7 * 10**9 + 2
        message = next(opened.messages("/left/ground_truth"))
        assert np.array_equal(open_decoder(IMAGE).labels(message.data)[1], labels)
        info = deserialise(next(opened.messages("/info")).data, CAMERA_INFO)
        assert (info.width, info.height, info.distortion_model) == (16, 12, "plumb_bob")
        assert (info.k.tolist(), info.r.tolist(), info.p.tolist()) == ([*range(9)], [0] * 9, [0.5] * 12)


def foxglove_in_ros_2(tmp_path):
    store = typestore()
    kind = "foxglove_msgs/msg/CompressedImage"
    stamp = make_header(3, "cam").stamp
    data = store.serialize_cdr(store.types[kind](stamp, "cam", png_file(PIXELS), "png"), kind)
    return write_mcap(tmp_path / "x.mcap", {"/cam": (kind, [(1, bytes(data))])})


def test_the_same_schema_as_a_message_of_ros_2(tmp_path):
    with open_bag(foxglove_in_ros_2(tmp_path)) as opened:
        topic = opened.image_topic()
        assert topic.kind == COMPRESSED_IMAGE
        picture = open_decoder(topic.kind).decode(next(opened.messages("/cam")).data)[0]
    assert np.array_equal(picture.pixels, PIXELS)
    assert stamp_ns(picture.header) == 3


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("json", b"{"), ("json", b"[]"), ("json", b"null"), ("json", b'{"data": 5}'), ("json", b'{"data": "?"}'),
        ("json", b'{"timestamp": {"sec": 99999999999999}}'), ("json", b'{"format": [1]}'), ("json", b"\xff"),
        ("protobuf", b"\xff"), ("protobuf", b"\x12\xff\xff\xff\xff\x0f"), ("protobuf", field(3, b"\xff\xfe")),
        ("protobuf", time_in_protobuf(7, 2 * 10**9)), ("protobuf", time_in_protobuf(2**40, 0)),
    ],
)  # fmt: skip
def test_foxglove_messages_that_are_damaged_cost_only_themselves(tmp_path, encoding, content):
    good = b"{}" if encoding == "json" else b""
    kinds = ("jsonschema" if encoding == "json" else "protobuf", encoding, b"")
    messages = [(1, good), (2, content), (3, good)]
    path = write_mcap(tmp_path / "x.mcap", {"/cam": ("foxglove.CompressedImage", messages, kinds)})
    with open_bag(path) as opened:
        found = list(opened.messages("/cam"))
    assert [bool(message.problem) for message in found] == [False, True, False]
    assert "foxglove.CompressedImage in" in found[1].problem
