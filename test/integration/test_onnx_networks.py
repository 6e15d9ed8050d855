"""A network that is not ICNet, in the node."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
pytest.importorskip("onnxruntime")

from icnet_ros.msg import FrameLatency
from messages import image, pixels
from networks import DESCRIPTION, Small, export
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.base import Frame, Request
from icnet_ros.engine.table import open_engine


def test_the_node_runs_an_onnx_network(graph, tmp_path):
    path = export(Small(8), tmp_path / "net.onnx", description=DESCRIPTION)
    graph.start_node(path)
    labels, _ = graph.listen(Image, "/icnet/labels")
    confidence, _ = graph.listen(Image, "/icnet/confidence")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    info, _ = graph.listen(LabelInfo, "/icnet/label_info", latched)
    camera = graph.camera()
    bgr = pixels(100, 150)
    camera.publish(image(1, bgr))
    graph.spin_until(lambda: labels and confidence and latencies and info)
    expected = open_engine("auto", open_checkpoint(path)).segment([Frame(bgr)], Request(confidence=True))[0]
    for message, array in ((labels[0], expected.labels), (confidence[0], expected.confidence)):
        assert np.array_equal(np.frombuffer(message.data, np.uint8).reshape(100, 150), array)
    assert len(np.unique(expected.labels)) > 1
    assert [entry.class_name for entry in info[0].class_map][:3] == ["road", "car", "sky"]
    assert latencies[0].exit == "sub124"


def test_an_exit_that_the_network_lacks_is_refused(graph, tmp_path):
    graph.start_node(export(Small(8), tmp_path / "net.onnx", description=DESCRIPTION), exit="auto")
    graph.camera()
    assert "the network has no exit sub4: take auto or sub124" in graph.set("exit", "sub4").reason
    assert graph.set("exit", "sub124").successful


def test_a_network_without_a_description_is_an_error_that_says_what_to_do(graph, tmp_path):
    path = export(Small(8), tmp_path / "net.onnx")
    node = graph.start_node(path)
    graph.spin_until(lambda: "write net.yaml beside it" in node.text)
