"""docs/faults.md is what the tables say, and the tables are what happens."""

import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.diagnostics import CONDITIONS, Snapshot, level_and_message
from icnet_ros.node.parameters import Parameters

SCRIPT = Path(__file__).parents[1] / "scripts" / "faults_page.py"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("faults_page", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "python scripts/faults_page.py"


HOLDS = (
    {"state": "inactive", "failure": "no such file"},
    {"state": "inactive"},
    {"busy_s": 99.0},
    {"idle": True},
    {"silence": 99.0},
    {"failure": "unusable image"},
    {"statistics": {"total_ms_p50": 99.0}},
    {"degraded": "torch is used"},
    {"metadata": {"trained": "false"}},
    {"duplicates": 1},
    {"stamp_error": "no stamp"},
    {"first_image_seen": False},
    {"statistics": {"failed_ratio": 0.5}},
    {"statistics": {"damaged_ratio": 0.5}},
    {"output_error": "no points"},
    {"statistics": {"age_ms_p95": 5000.0}},
    {"statistics": {"total_ms_p95": 99.0}},
    {"statistics": {"reduced_ratio": 0.9}},
    {"statistics": {"drop_ratio": 0.9}},
)


def test_every_condition_can_be_reached():
    parameters = Parameters(latency_budget_ms=50.0, input_timeout_s=1.0, hang_timeout_s=5.0)
    well = Snapshot("active", parameters, first_image_seen=True)
    assert not any(condition.says(well) for condition in CONDITIONS)
    assert len(HOLDS) == len(CONDITIONS)
    for condition, change in zip(CONDITIONS, HOLDS, strict=True):
        message = condition.says(replace(well, **change))
        assert message, condition.what
        assert level_and_message(replace(well, **change)) == (condition.level, message)
    assert {name for change in HOLDS for name in change} <= {entry.name for entry in fields(Snapshot)}
