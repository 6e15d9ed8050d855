"""The documentation and the benchmark know every output of the table."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.benchmark.outputs import measure
from icnet_ros.node.outputs.table import OUTPUTS, to_markdown

TOPICS = Path(__file__).parents[2] / "docs" / "topics.md"


def test_the_documentation_lists_the_topics_of_the_table():
    rows = [row for row in TOPICS.read_text().splitlines() if row.startswith("| `~/")]
    assert "\n".join(rows) + "\n" == to_markdown(), "python -m icnet_ros.node.outputs.table prints them"
    for output in OUTPUTS.values():
        for topic in output.topics:
            package = topic.message.__module__.partition(".")[0]
            assert f"{package}/{topic.message.__name__}" in topic.content


def test_the_benchmark_measures_every_output(model):
    """Also one that was added; the latched topics have no cost per frame."""
    times = measure(48, 64, str(model), rounds=1)
    per_frame = [name for name, one in OUTPUTS.items() if not all(topic.latched for topic in one.topics)]
    assert list(times) == per_frame
    assert min(times.values()) > 0
