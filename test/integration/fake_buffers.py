"""A backend of rosidl::Buffer that needs no GPU: memory of the CPU under a name of its own, "demo".

`install` makes rclpy look like that of ROS 2 Lyrical: `create_subscription` takes acceptable_buffer_backends, and
messages whose data is of an accepted backend come with it as a Buffer.
"""

import array
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
from rclpy.node import Node

from icnet_ros.node.inputs import buffer_backends

# rclpy of Lyrical sends nothing of an object that says it has a backend and is no rosidl_buffer.Buffer.
sent = pytest.mark.skipif(find_spec("rosidl_buffer") is not None, reason="this rclpy sends real buffers only")


class DemoBuffer(array.array):
    """As rosidl_buffer.Buffer: no values without the backend, but a copy on the CPU that is asked for."""

    backend_type = "demo"

    def __new__(cls, values=b""):
        return super().__new__(cls, "B", bytes(values))

    def to_bytes(self):
        copies.append(len(self))
        return bytes(self)


copies = []  # sizes of what was copied to the CPU
streams = []  # of reads


class Demo:
    """See buffer_backends.Backend."""

    @contextmanager
    def read(self, buffer, shape, strides, stream):
        streams.append(stream)
        yield np.ndarray(shape, np.uint8, memoryview(buffer), strides=strides)

    def write(self, labels):
        target = np.empty(labels.shape, np.uint8)
        labels.copy_to(target)
        return DemoBuffer(target.tobytes())


def install(patch, *, publishers="demo"):
    """patch: setattr and setitem of pytest's monkeypatch. publishers: the backend that publishers offer."""
    create = Node.create_subscription

    def create_subscription(
        self, msg_type, topic, callback, qos_profile, *, acceptable_buffer_backends=None, **options
    ):
        def received(message):
            accepted = (acceptable_buffer_backends or "").split(",")
            if publishers in accepted or "any" in accepted:
                message._data = DemoBuffer(message.data)
            callback(message)

        wrapped = received if acceptable_buffer_backends else callback
        return create(self, msg_type, topic, wrapped, qos_profile, **options)

    patch.setattr(Node, "create_subscription", create_subscription)
    patch.setitem(buffer_backends.BACKENDS, "demo", Demo)
    patch.setattr(buffer_backends, "plugins", lambda: {"cuda", "demo", "rocm"})


class Plainly:
    """In place of monkeypatch, in a process that ends with the test."""

    setattr = staticmethod(setattr)

    @staticmethod
    def setitem(target, name, value):
        target[name] = value
