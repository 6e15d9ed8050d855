"""An engine that is ready for the first frame."""

from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.build import build
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.cdr import typestore


def test_the_message_definitions_are_read_before_the_first_frame(model):
    typestore.cache_clear()
    build(replace(Parameters(), model=str(model), engine="torch", warm_up_width=64, warm_up_height=48))
    before = typestore.cache_info()
    typestore()
    assert typestore.cache_info().hits == before.hits + 1
