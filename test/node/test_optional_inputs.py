"""What waits for the labels of its stamp, and what is let go."""

import types

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

import numpy as np

from icnet_ros.node import transforms
from icnet_ros.node.optional_inputs import OptionalInputs
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.transforms import Transforms
from icnet_ros.wire.cdr import IMAGE
from icnet_ros.wire.image import encode_image, make_header


class Node:
    def resolve_topic_name(self, name, *, only_expand=False):
        return f"/{name}"


def depth(stamp):
    return encode_image(make_header(stamp, "front"), np.full((2, 3), stamp % 1000, np.uint16), "16UC1")


@pytest.fixture
def inputs():
    return OptionalInputs(Node(), "", "/image", Parameters())


def test_a_depth_image_waits_as_long_as_its_frame_may_take(inputs):
    stamps = [number * 33_000_000 for number in range(1, 31)]  # a second at 30 Hz
    for stamp in stamps:
        inputs._keep(IMAGE, depth(stamp))
    header, _ = inputs.depth_at(stamps[0])
    assert header.stamp.nanosec == stamps[0]
    header, _ = inputs.depth_at(stamps[20] + 1_000_000)
    assert header.stamp.nanosec == stamps[20]
    assert len(inputs._kept[IMAGE]) == 11  # one within the tolerance of 50 ms before it, itself, nine after it
    assert inputs.depth_at(stamps[2]) is None  # frames do not go back


def test_a_clock_that_jumps_back_leaves_nothing_of_before(inputs):
    inputs._keep(IMAGE, depth(1_000_000))
    inputs.clock_jumped()
    assert inputs.depth_at(1_000_000) is None


def test_the_transform_listener_is_released(monkeypatch):
    released = []

    class Listener:
        def __init__(self, buffer, node):
            pass

        def unregister(self):
            released.append(1)

    class Buffer:
        def lookup_transform(self, target, source, time):
            raise LookupError

    fake = types.SimpleNamespace(Buffer=Buffer, TransformListener=Listener, TransformException=LookupError)
    monkeypatch.setattr(transforms, "tf2_ros", fake)
    found = Transforms(Node(), "")
    for _ in range(2):
        with pytest.raises(ValueError, match="no transform from lidar to front"):
            found.between("lidar", "front")
    found.close()
    found.close()
    assert released == [1]
