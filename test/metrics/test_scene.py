"""Running mean of the confidence, and the warning about scenes unlike the training."""

import math

import numpy as np
import pytest

from icnet_ros.metrics.scene import SceneMonitor, SceneSettings


def frame(confidence):
    return np.full((48, 64), round(255 * confidence), np.uint8)


def after(monitor, *parts, rate=10.0, start=0.0):
    """Feed (confidence, seconds) at a frame rate; returns the time afterwards."""
    now = start
    for confidence, seconds in parts:
        for _ in range(round(seconds * rate)):
            monitor.update(now, frame(confidence))
            now += 1 / rate
    return now


def test_a_street_gives_no_warning_and_a_room_does_after_some_seconds():
    monitor = SceneMonitor()
    assert math.isnan(monitor.mean)
    assert monitor.warning() == ""
    now = after(monitor, (0.9, 20))
    assert monitor.mean == pytest.approx(0.9, abs=0.01)
    assert monitor.warning() == ""
    now = after(monitor, (0.5, 1), start=now)
    assert monitor.warning() == ""  # a few frames of something else are no other scene
    after(monitor, (0.5, 15), start=now)
    assert "mean confidence 0.5" in monitor.warning()


@pytest.mark.parametrize("rate", [2.0, 30.0])
def test_the_mean_depends_on_time_not_on_the_frame_rate(rate):
    monitor = SceneMonitor(SceneSettings(seconds=5))
    now = after(monitor, (0.9, 30), rate=rate)
    after(monitor, (0.4, 5), rate=rate, start=now)
    assert monitor.mean == pytest.approx(0.4 + 0.5 / math.e, abs=0.03)


def test_the_first_seconds_give_no_warning():
    monitor = SceneMonitor(SceneSettings(seconds=5))
    now = after(monitor, (0.4, 4))
    assert monitor.warning() == ""
    after(monitor, (0.4, 3), start=now)
    assert monitor.warning() != ""


def test_a_mean_near_the_limit_does_not_switch_the_warning_on_and_off():
    monitor = SceneMonitor(SceneSettings(warning=0.7, seconds=1, margin=0.03))
    now = after(monitor, (0.6, 10))
    assert monitor.warning()
    now = after(monitor, (0.71, 10), start=now)
    assert monitor.warning()
    after(monitor, (0.75, 10), start=now)
    assert monitor.warning() == ""


def test_no_limit_no_warning_and_a_reset_forgets():
    monitor = SceneMonitor(SceneSettings(warning=0))
    after(monitor, (0.0, 20))
    assert monitor.warning() == ""
    monitor = SceneMonitor()
    after(monitor, (0.4, 20))
    monitor.reset()
    assert monitor.warning() == ""
    assert math.isnan(monitor.mean)
