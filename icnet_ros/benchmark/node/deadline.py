"""Accuracy of what a node published under a deadline, from the accuracy of each exit and input size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet_ros.documents import parse_json
from icnet_ros.engine.base import EngineError
from icnet_ros.files import read_text


def read_miou(sizes: Path) -> dict[str, float]:
    """The mIoU by "EXIT ROWS" in the JSON of `icnet benchmark sizes`. Raises EngineError."""
    try:
        points = parse_json(read_text(sizes), str(sizes))["points"]
        return {f"{point.get('label', point['exit'])} {point['rows']}": float(point["miou"]) for point in points}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise EngineError(f"{sizes}: not the JSON of icnet benchmark sizes ({type(err).__name__}: {err})") from err


def add_miou(modes: dict[str, Any], known: Mapping[str, float]) -> None:
    """Add `miou` to each mode of a deadline measurement: the mean over its frames of the mIoU of their exit and rows.

    known: by "EXIT ROWS". A mode that used one that is not known gets `missing`, its name, and no `miou`.
    """
    for one in modes.values():
        if missing := one["steps"].keys() - known.keys():
            one["missing"] = min(missing)
            continue
        total = sum(one["steps"].values())
        one["miou"] = sum(known[step] * count for step, count in one["steps"].items()) / total
