"""What viewers are told to show must exist."""

import json
import re

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.msg import FrameLatency

from icnet_ros.share import share
from icnet_ros.wire.cdr import FRAME_LATENCY, typestore

TOPICS = {"/icnet/overlay/compressed", "/icnet/color", "/icnet/latency", "/icnet_evaluation/miou", "/diagnostics"}


def test_the_foxglove_layout_names_topics_and_fields_of_the_nodes():
    text = share("config", "foxglove.json").read_text()
    layout = json.loads(text)
    assert set(re.findall(r'"(/[a-z_/]+)', text)) == TOPICS
    fields = set(re.findall(r'"/icnet/latency\.(\w+)"', text))
    assert fields
    assert fields <= set(FrameLatency.get_fields_and_field_types())
    definition = typestore(share("msg", "FrameLatency.msg")).fielddefs[FRAME_LATENCY][1]
    assert fields <= {name for name, _ in definition}
    panels = set(re.findall(r'"(\w+!\w+)"', json.dumps(layout["layout"])))
    assert panels == set(layout["configById"])
