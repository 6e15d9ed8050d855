from dataclasses import replace

import pytest

pytest.importorskip("diagnostic_msgs", reason="no ROS 2 in this environment")

from icnet_ros.node.diagnostics import ERROR, OK, STALE, WARN, Snapshot, level_and_message, status
from icnet_ros.node.parameters import Parameters

SETTINGS = Parameters(latency_budget_ms=50.0, input_timeout_s=2.0, drop_warning=0.5)
AUTO = replace(SETTINGS, exit="auto")
WELL = Snapshot("active", SETTINGS, first_image_seen=True, statistics={"frame_rate_node": 15.0, "total_ms_p95": 40.0})


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({}, OK, "15.0 frames/s"),
        ({"first_image_seen": False}, OK, "waiting for the first image"),
        ({"first_image_seen": False, "silence": 2.1}, STALE, "no image for 2.1 s"),
        ({"silence": 2.1}, STALE, "no image for 2.1 s"),
        ({"degraded": "engine torch is used instead"}, WARN, "torch is used instead"),
        ({"metadata": {"trained": "false"}}, WARN, "untrained"),
        ({"metadata": {"trained": "true"}}, OK, "15.0 frames/s"),
        ({"degraded": "engine torch is used instead", "failure": "engine broke"}, ERROR, "engine broke"),
        ({"failure": "engine broke"}, ERROR, "engine broke"),
        ({"statistics": {"total_ms_p95": 51.0}}, WARN, "over the budget of 50"),
        ({"statistics": {"total_ms_p50": 51.0, "total_ms_p95": 60.0}}, ERROR, "median of total_ms is 51.0"),
        (
            {"statistics": {"total_ms_p50": 51.0}, "degraded": "engine torch is used instead", "stamp_error": "no"},
            ERROR,
            "median of total_ms is 51.0",
        ),
        (
            {"statistics": {"failed_ratio": 0.9}, "last_failure": "cut JPEG"},
            WARN,
            "90.0% of the recent frames failed: cut",
        ),
        ({"output_error": "no points: no depth image"}, WARN, "no points: no depth image"),
        ({"statistics": {"age_ms_p95": 8000.0}}, WARN, "p95 of age_ms is 8000: images come late"),
        ({"statistics": {"age_ms_p95": 4e12, "frame_rate_node": 9.0}}, OK, "9.0 frames/s"),  # a recording
        (
            {
                "statistics": {"age_ms_p95": 8000.0, "frame_rate_node": 9.0},
                "parameters": replace(SETTINGS, age_warning_ms=0.0),
            },
            OK,
            "9.0 frames/s",
        ),
        ({"busy_s": 6.0}, ERROR, "has not answered for 6 s"),
        ({"busy_s": 6.0, "silence": 9.0}, ERROR, "has not answered for 6 s"),
        ({"busy_s": 6.0, "parameters": replace(SETTINGS, hang_timeout_s=7.0)}, OK, "15.0 frames/s"),
        ({"idle": True, "silence": 9.0}, OK, "nobody listens"),
        ({"stamp_error": "images carry no stamp"}, WARN, "no stamp"),
        ({"duplicates": 1}, WARN, "1 more of this name"),
        (
            {
                "parameters": replace(SETTINGS, exit="auto"),
                "statistics": {"exit_share_sub124": 1.0, "reduced_ratio": 0.6},
            },
            WARN,
            "60% of the frames get an earlier exit or a smaller input",
        ),
        (
            {
                "parameters": replace(SETTINGS, exit="auto"),
                "statistics": {"exit_share_sub124": 0.9, "reduced_ratio": 0.1, "frame_rate_node": 3.0},
            },
            OK,
            "3.0 frames/s",
        ),
        ({"statistics": {"drop_ratio": 0.6}}, WARN, "60% of the frames are dropped"),
        ({"state": "building engine", "silence": 99.0}, OK, "building engine"),
        ({"state": "unconfigured", "failure": "no such file"}, ERROR, "no such file"),
        ({"state": "inactive", "silence": 99.0}, OK, "inactive"),
        (
            {"statistics": {"damaged_ratio": 0.25}, "last_damage": "JPEG is damaged: premature end"},
            WARN,
            "25.0% of the recent images came damaged: JPEG is damaged: premature end",
        ),
    ],
)
def test_the_worst_that_holds_is_said(change, level, words):
    found, message = level_and_message(replace(WELL, **change))
    assert (found, words in message) == (level, True)


def test_status_carries_the_keys_of_the_contract():
    now = replace(WELL, hardware="cpu: test", metadata={"engine": "torch", "checkpoint": "x"}, counters={"dropped": 3})
    message = status("icnet", now)
    assert (message.name, message.hardware_id) == ("icnet: segmentation", "cpu: test")
    assert status("icnet", replace(now, camera="left")).name == "icnet: left"
    values = {pair.key: pair.value for pair in message.values}
    assert values["total_dropped_frames"] == "3"
    assert values["total_ms_p95"] == "40.00"
    assert {"frame_rate_node", "frame_rate_msg", "current_delay_from_realtime_ms", "engine", "checkpoint"} <= set(
        values
    )
