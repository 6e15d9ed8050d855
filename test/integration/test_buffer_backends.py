"""Images in the memory of a device, from a typed publisher to the labels; the memory is the CPU's, named otherwise."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

import fake_buffers
from messages import array, image, pixels
from sensor_msgs.msg import Image

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.node.inputs.buffer_backends import open_backends
from icnet_ros.node.inputs.buffer_subscription import BufferSubscription
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.ros.qos import IMAGE_QOS

# The node with rclpy as of Lyrical, and the engine for GPUs with its network on the CPU.
LYRICAL = """
import sys

import fake_buffers
import torch
from icnet_ros.engine.backends import torch as backend
from icnet_ros.node.main import main

fake_buffers.install(fake_buffers.Plainly)
backend.TorchEngine = lambda checkpoint, options: backend.open_torch_on(torch.device("cpu"), checkpoint, options)
write = fake_buffers.Demo.write

def said(self, labels):
    print("labels written to demo memory, copies to the CPU:", fake_buffers.copies)
    return write(self, labels)

fake_buffers.Demo.write = said
sys.exit(main())
"""


@pytest.mark.parametrize(("publishers", "accepted"), [("demo", True), ("rocm", False)])
def test_the_backend_is_negotiated(graph, monkeypatch, publishers, accepted):
    """A publisher's memory is used if the subscription accepts it, else the CPU's."""
    fake_buffers.install(monkeypatch, publishers=publishers)
    came = []
    subscription = BufferSubscription(graph.node, "/image", came.append, open_backends("demo"), qos_profile=IMAGE_QOS)
    camera = graph.camera()
    graph.spin_until(lambda: came, again=lambda: camera.publish(image()))
    subscription.destroy()
    assert isinstance(came[0], DeviceImage) is accepted
    assert np.array_equal(np.asarray(came[0].picture(10**6).pixels), pixels())


@fake_buffers.sent
def test_the_node_labels_images_where_they_are(graph, model):
    (graph.tmp_path / "lyrical_node.py").write_text(LYRICAL)
    path = (graph.tmp_path, Path(__file__).parent, *filter(None, [graph.environment.get("PYTHONPATH")]))
    graph.environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    parameters = {"model": model, "engine": "torch", "device": "cpu", "precision": "fp32", "buffer_backends": "any"}
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    process = graph.start(
        "--ros-args", *words, "-p", "warm_up_width:=64", "-p", "warm_up_height:=48", module="lyrical_node"
    )
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))
    expected = open_engine("torch", load(model)).segment([Frame(pixels())])[0].labels
    assert np.array_equal(array(labels[0]), expected)
    assert labels[0].header == image().header
    assert "come in memory of backend demo" in process.text
    assert "labels written to demo memory, copies to the CPU: []" in process.text
