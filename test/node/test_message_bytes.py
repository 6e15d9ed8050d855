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
