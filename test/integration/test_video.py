"""A camera that sends H.264, over real DDS: the node begins at a key frame and goes on after drops and damage."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
pytest.importorskip("av", reason="no PyAV in this environment (extra video)")

from messages import array, engine
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from videos import decoded, encode, scenes

from icnet_ros.engine.base import Frame

COUNT = 22


def packet(number, content):
    message = CompressedImage(format="h264")
    message.header.stamp.sec, message.header.frame_id = 1_000 + number, "front"
    message.data.frombytes(content)
    return message


def test_the_newest_frame_of_a_video_is_labelled(graph, model):
    packets = encode("libx264", scenes(COUNT), gop=10, options={"tune": "zerolatency"})
    pictures = decoded("h264", packets)
    node = graph.start_node(model, input_transport="compressed")
    labels, _ = graph.listen(Image, "/icnet/labels", QoSProfile(depth=COUNT))
    camera = graph.camera("/image/compressed", CompressedImage)
    stamps = lambda: [message.header.stamp.sec - 1_000 for message in labels]  # noqa: E731
    for number in range(3, 10):  # no key frame yet
        camera.publish(packet(number, packets[number][0]))
    graph.spin_for(0.5)
    assert stamps() == []
    for number in range(10, 19):
        camera.publish(packet(number, packets[number][0]))
        graph.spin_for(0.03)  # a burst would overrun the queues of best effort
    graph.spin_until(lambda: 18 in stamps())
    camera.publish(packet(19, b"\0\0\0\1\x41garbage"))
    camera.publish(packet(99, b""))
    graph.spin_for(0.3)
    camera.publish(packet(20, packets[20][0]))  # a key frame
    camera.publish(packet(21, packets[21][0]))
    graph.spin_until(lambda: 21 in stamps())
    assert node.popen.poll() is None
    assert not {19, 99, *range(10)} & set(stamps())
    reference = engine(model)
    for message in labels:
        number = message.header.stamp.sec - 1_000
        expected = reference.segment([Frame(pictures[number])])[0].labels
        np.testing.assert_array_equal(array(message), expected)
