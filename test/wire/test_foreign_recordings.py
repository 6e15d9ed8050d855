"""Recordings of ROS 1 and of Foxglove."""

import numpy as np
import pytest
from foxglove_messages import field, foxglove_drive, time_in_protobuf
from recordings import BEGAN, COUNT, IMAGES, PIXELS, WHOLE, read, write_mcap
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    IMAGE,
    WireError,
    deserialise,
    typestore,
)
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import make_header, png_file, stamp_ns
from icnet_ros.wire.index import index_topics


def ros_1_images():
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    for number in range(COUNT):
        stamp = types["builtin_interfaces/msg/Time"](sec=BEGAN // 10**9, nanosec=number)
        header = types["std_msgs/msg/Header"](seq=number, stamp=stamp, frame_id="cam")
        pixels = (PIXELS + np.uint8(number)).reshape(-1)
        message = types[IMAGE](header, *PIXELS.shape[:2], "bgr8", 0, 3 * PIXELS.shape[1], pixels)
        yield BEGAN + number, bytes(store.serialize_ros1(message, IMAGE))


def test_ros_1_messages_in_mcap(tmp_path):
    """As `mcap convert` writes them."""
    content = [*ros_1_images(), (BEGAN + 99, b"cut off")]
    path = write_mcap(
        tmp_path / "x.mcap", {"/cam": ("sensor_msgs/Image", content, ("ros1msg", "ros1", b""))}, profile="ros1"
    )
    with open_bag(path) as opened:
        assert opened.image_topic()[1:] == (IMAGE, COUNT + 1, "cdr")
        messages = list(opened.messages("/cam"))
    assert [message.data for message in messages[:-1]] == [data for _, data in IMAGES]
    assert "are not a sensor_msgs/msg/Image of ROS 1" in messages[-1].problem


def test_a_recording_of_ros_1_without_an_index_says_what_to_do(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(tmp_path / "x.bag") as writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=store)
        for time, data in ros_1_images():
            writer.write(topic, time, data)
    assert read(tmp_path / "x.bag") == WHOLE
    raw = (tmp_path / "x.bag").read_bytes()
    at = raw.index(b"index_pos=") + len("index_pos=")
    begin = raw[: int.from_bytes(raw[at : at + 8], "little")]
    (tmp_path / "x.bag.active").write_bytes(begin[:at] + bytes(8) + begin[at + 8 :])
    with pytest.raises(WireError, match=r"has no index: run `rosbag reindex x\.bag\.active`"):
        read(tmp_path / "x.bag.active")


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
        assert np.array_equal(open_decoder(IMAGE).labels(message.data)[1].values, labels)
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


def test_the_same_schema_as_a_message_of_ros_1(tmp_path):
    """Other messages that only their package defines are named as what they are, instead of read as ROS 2 has them."""
    store, path = get_typestore(Stores.ROS1_NOETIC), tmp_path / "x.bag"
    fields = "time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    kinds = {"/cam": "foxglove_msgs/msg/CompressedImage", "/video": COMPRESSED_VIDEO, "/ffmpeg": FFMPEG_PACKET}
    with Writer1(path) as writer:
        for topic, kind in kinds.items():
            store.register(get_types_from_msg(fields, kind))
            content = (png_file(PIXELS), "png") if topic == "/cam" else (np.array([0, 0, 1, 0x65], np.uint8), "h264")
            message = store.types[kind](store.types["builtin_interfaces/msg/Time"](sec=3, nanosec=7), "cam", *content)
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 1, store.serialize_ros1(message, kind))
    with open_bag(path) as opened:
        assert [(topic.name, topic.described) for topic in opened.topics()] == [
            ("/cam", COMPRESSED_IMAGE), ("/ffmpeg", f"{FFMPEG_PACKET} in ros1"), ("/video", COMPRESSED_VIDEO)
        ]  # fmt: skip
        picture = open_decoder(COMPRESSED_IMAGE).decode(next(opened.messages("/cam")).data)[0]
        info = open_decoder(COMPRESSED_VIDEO).peek(next(opened.messages("/video")).data)
    assert np.array_equal(picture.pixels, PIXELS)
    assert stamp_ns(picture.header) == info.stamp == 3 * 10**9 + 7
    assert info.key


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
