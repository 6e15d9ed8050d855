"""The node with an output, a decoder and an engine of another package."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from clouds import BGR, CLASSES, LABELS, cloud
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float32MultiArray

from icnet_ros.checkpoint.file import save, untrained

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_node_with_all_three(graph, tmp_path):
    """Nothing of the package is changed: the tables are filled before its main function runs."""
    checkpoint = untrained(CLASSES)
    save(tmp_path / "net.safetensors", replace(checkpoint.spec, trained=True), checkpoint.weights)
    graph.environment["PYTHONPATH"] = os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")])
    words = ("engine:=colours", "input_transport:=points", f"model:={tmp_path / 'net.safetensors'}")
    graph.start("--ros-args", *(word for text in words for word in ("-p", text)), module="icnet_example")
    labels, _ = graph.listen(Image, "/icnet/labels")
    shares, _ = graph.listen(Float32MultiArray, "/icnet/coverage")
    camera = graph.camera("/image/points", PointCloud2)
    message = deserialize_message(cloud(BGR), PointCloud2)
    graph.spin_until(lambda: labels and shares, again=lambda: camera.publish(message))
    assert np.array_equal(np.frombuffer(labels[-1].data, np.uint8).reshape(40, 48), LABELS)
    assert np.allclose(shares[-1].data, np.bincount(LABELS.reshape(-1)) / LABELS.size)
