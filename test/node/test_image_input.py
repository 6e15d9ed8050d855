"""What the node decodes of a video: every message since the last key frame, also those it drops."""

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
from video import LateDecoder, SumDecoder, packets

from icnet_ros.engine.base import EngineError
from icnet_ros.node.inputs.image_input import ImageInput
from icnet_ros.node.ros.graph import message_class
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError
from icnet_ros.wire.decoders.table import DECODERS


def received(parts):
    images = ImageInput("/image", "compressed")
    data = [packet for _, packet in packets(*parts)]
    for packet in data:
        images.received(packet)
    return images, data


def test_dropped_messages_of_a_video_are_decoded_too(monkeypatch):
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), SumDecoder)
    images, data = received([("key", 10), 1, 2, 3])
    assert images.decode(data[2], 99).pixels[0, 0, 0] == 13  # the first two were dropped
    assert images.decode(data[3], 99).pixels[0, 0, 0] == 16


def test_messages_before_a_key_frame_are_not_decoded(monkeypatch):
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), SumDecoder)
    images, data = received([("corrupt", 0), 1, ("key", 50), 1])
    assert images.decode(data[3], 99).pixels[0, 0, 0] == 51


def test_why_there_is_no_picture_is_said(monkeypatch):
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), SumDecoder)
    images, data = received([1, 2])
    with pytest.raises(WireError, match="no key frame yet"):
        images.decode(data[1], 99)
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), LateDecoder)
    images, data = received([("key", 10)])
    with pytest.raises(WireError, match="it comes with a later message"):
        images.decode(data[0], 99)


def test_a_message_type_that_is_not_installed_is_an_error():
    assert message_class("sensor_msgs/msg/Image").__name__ == "Image"
    with pytest.raises(EngineError, match=r"need the ROS package no_such_msgs: apt install ros-\$ROS_DISTRO-no-such"):
        message_class("no_such_msgs/msg/Video")
