"""Checks, before anything is measured, of packages that only some options need."""

import importlib.util
from pathlib import Path

from icnet_ros.engine.base import EngineError
from icnet_ros.packages import advice, installed


def missing_ros() -> str:
    """The first of rclpy and the messages of this package that cannot be imported; "" if both can."""
    return next((name for name in ("rclpy", "icnet_ros.msg") if importlib.util.find_spec(name) is None), "")


def needs_ros() -> None:
    """Raise EngineError where a benchmark cannot run a ROS graph."""
    if module := missing_ros():
        raise EngineError(
            f"this benchmark runs a real ROS 2 graph and {module} is not importable: source scripts/env.sh after "
            "`make build`, or your ROS 2 and the workspace built with colcon"
        )


def needs_matplotlib(picture: Path | None) -> None:
    """Raise EngineError, before anything is measured, if a picture is asked for and cannot be drawn."""
    if picture is not None and not installed("matplotlib"):
        raise EngineError(advice("drawing", "matplotlib"))
