import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.frame import since_stamp
from icnet_ros.node.statistics import Statistics


def test_percentiles_and_rates_of_the_window_only():
    statistics = Statistics(window=10.0)
    totals = np.random.default_rng(0).uniform(1, 100, 200)
    for number, total in enumerate(totals):
        now = number / 10
        statistics.arrived(now, dropped=number % 4 == 0)
        statistics.finished(now, {"total_ms": total, "age_ms": np.nan}, "sub4")
    summary = statistics.summary(19.9)
    recent = totals[99:]
    for p in (50, 95, 99):
        assert summary[f"total_ms_p{p}"] == pytest.approx(np.percentile(recent, p))
    assert summary["frame_rate_msg"] == summary["frame_rate_node"] == pytest.approx(10.0)
    assert summary["drop_ratio"] == pytest.approx(0.25, abs=0.01)
    assert "age_ms_p50" not in summary  # no stamp, no age


def test_the_share_of_failed_frames():
    statistics = Statistics(window=5.0)
    for now in (1.0, 2.0, 3.0):
        statistics.failed(now)
    statistics.finished(4.0, {}, "sub24")
    assert statistics.summary(4.0)["failed_ratio"] == 0.75
    assert statistics.summary(7.5)["failed_ratio"] == 0.5  # those of 1 and 2 s are out of the window
    assert statistics.summary(20.0)["failed_ratio"] == 0.0


def test_reset_and_silence():
    statistics = Statistics(window=5.0)
    statistics.arrived(1.0, dropped=True)
    statistics.finished(1.0, {"total_ms": 3.0}, "sub24")
    assert statistics.summary(2.0)["total_ms_p50"] == 3.0
    silent = {
        "frame_rate_msg": 0.0,
        "frame_rate_node": 0.0,
        "drop_ratio": 0.0,
        "failed_ratio": 0.0,
        "reduced_ratio": 0.0,
    }
    assert statistics.summary(7.0) == silent
    statistics.arrived(8.0, dropped=False)
    statistics.reset()
    assert statistics.summary(8.0) == silent


def test_the_rate_of_images_ignores_gaps_and_ends_with_them():
    statistics = Statistics(window=10.0)
    assert statistics.image_rate(0.0) == 0.0
    statistics.arrived(0.0, dropped=False)
    assert statistics.image_rate(0.0) == 0.0
    for now in (0.1, 0.2, 0.3, 0.4, 3.4, 3.5, 3.6):
        statistics.arrived(now, dropped=False)
    assert statistics.image_rate(3.7) == pytest.approx(10.0)
    assert statistics.image_rate(4.7) == 0.0
    for number in range(30):
        statistics.arrived(5 + number / 50, dropped=True)
    assert statistics.image_rate(5.6) == pytest.approx(50.0)


def test_the_share_of_damaged_images():
    statistics = Statistics(window=5.0)
    for now in (1.0, 2.0, 3.0, 4.0):
        statistics.finished(now, {}, "sub24")
    statistics.damaged(2.0)
    assert statistics.summary(4.0)["damaged_ratio"] == 0.25
    statistics.failed(4.0)  # counted as failed, too, if damaged images are to fail
    statistics.damaged(4.0)
    assert statistics.summary(4.0)["damaged_ratio"] == pytest.approx(0.4)
    assert "damaged_ratio" not in statistics.summary(20.0)


def test_simulated_time_that_has_not_passed_the_stamp_measures_nothing():
    """Between two ticks of /clock: 0 ms would be a figure, and a camera's stamp may be of the next tick."""
    stamp = 5_000_000_000
    assert np.isnan(since_stamp(stamp, stamp, simulated=True))
    assert np.isnan(since_stamp(stamp - 84_000_000, stamp, simulated=True))
    assert since_stamp(stamp + 10**6, stamp, simulated=True) == 1.0


def test_clocks_of_two_machines_may_differ():
    stamp = 5_000_000_000
    assert since_stamp(stamp - 10**6, stamp, simulated=False) == -1.0
    assert since_stamp(stamp, stamp, simulated=False) == 0.0
    assert np.isnan(since_stamp(stamp - 2 * 10**9, stamp, simulated=False))
