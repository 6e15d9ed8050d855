"""Typed messages become bytes of which rclpy makes the same message."""

import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.inputs.typed_image import TypedImage
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import stamp_ns

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)  # rclpy ends it at NUL


@given(text, text, st.binary(max_size=40))
def test_they_are_the_message(frame, encoding, data):
    header = Header(frame_id=frame)
    header.stamp.sec, header.stamp.nanosec = 7, 8
    for message in (
        Image(header=header, height=2, width=3, encoding=encoding, step=9, data=array.array("B", data)),
        CompressedImage(header=header, format=encoding, data=array.array("B", data)),
        PointCloud2(header=header, data=array.array("B", data), is_dense=True),  # the data are not the last field
    ):
        assert deserialize_message(message_bytes(message), type(message)) == message  # bytes between fields may be any


def test_the_message_itself_stays_as_it_was():
    message = Image(data=array.array("B", range(6)))
    message_bytes(message)
    assert np.array_equal(message.data, range(6))


@pytest.mark.parametrize(("encoding", "channels"), [("bgr8", 3), ("rgb8", 3), ("mono8", 1), ("bayer_rggb8", 1)])
def test_an_image_is_decoded_as_from_its_bytes(encoding, channels):
    values = np.random.default_rng(0).integers(0, 256, (6, 8 * channels + 2), np.uint8)  # rows are padded
    message = Image(height=6, width=8, encoding=encoding, step=values.shape[1], data=array.array("B", values.tobytes()))
    message.header.stamp.sec, message.header.frame_id = 7, "front"
    found, expected = TypedImage(message).picture(100), decode_image(message_bytes(message), 100)
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.order, found.header.frame_id) == (expected.order, "front")
    assert stamp_ns(found.header) == 7 * 10**9
    assert not found.pixels.flags.writeable or found.pixels.base is None
    with pytest.raises(WireError, match="over the limit"):
        TypedImage(message).picture(47)
    message.data = message.data[:-4]
    with pytest.raises(WireError, match="bytes"):
        TypedImage(message).picture(100)
