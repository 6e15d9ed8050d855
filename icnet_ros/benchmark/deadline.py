"""Accuracy of what a node published under a deadline, from the accuracy of each exit and input size."""

import json
from pathlib import Path
from typing import Any

from icnet_ros.engine.base import EngineError


def add_miou(modes: dict[str, Any], sizes: Path) -> None:
    """Add `miou` to each mode of a deadline measurement: the mean over its frames of the mIoU of their exit and rows.

    sizes: JSON of `icnet benchmark sizes`. Raises EngineError if it lacks an exit and size that was used.
    """
    try:
        points = json.loads(sizes.read_text())["points"]
        known = {f"{point['exit']} {point['rows']}": float(point["miou"]) for point in points}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise EngineError(f"{sizes}: not the JSON of icnet benchmark sizes ({type(err).__name__}: {err})") from err
    for one in modes.values():
        if missing := one["steps"].keys() - known.keys():
            raise EngineError(f"{sizes} has no mIoU of {min(missing)} rows: measure it with --exit and --rows")
        total = sum(one["steps"].values())
        one["miou"] = sum(known[step] * count for step, count in one["steps"].items()) / total
