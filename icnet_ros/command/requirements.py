"""Checks, before anything is measured, of packages that only some options need."""

import importlib.util
from pathlib import Path

from icnet_ros.engine.base import EngineError


def needs_ros() -> None:
    """Raise EngineError where rclpy and the messages of this package cannot be imported."""
    for module in ("rclpy", "icnet_ros.msg"):
        if importlib.util.find_spec(module) is None:
            raise EngineError(
                f"this benchmark runs a real ROS 2 graph and {module} is not importable: source scripts/env.sh after "
                "`make build`, or your ROS 2 and the workspace built with colcon"
            )


def needs_matplotlib(picture: Path | None) -> None:
    """Raise EngineError, before anything is measured, if a picture is asked for and cannot be drawn."""
    if picture is not None and importlib.util.find_spec("matplotlib") is None:
        raise EngineError("drawing needs the package matplotlib: pip install matplotlib")
