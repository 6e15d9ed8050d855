"""report.json: what a drive amounts to. Its keys are in docs/replay.md."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import icnet_ros
from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import STAGES
from icnet_ros.evaluation.confusion import by_class
from icnet_ros.evaluation.frames import Row, flicker, total, write_table
from icnet_ros.evaluation.replay import Replay
from icnet_ros.evaluation.spread import percentiles, spread

SCHEMA = 2
TIMINGS = ("latency_ms", "throughput_fps")  # what may differ between two runs over the same frames
LISTED = 10  # frames that are named as the worst
LIBRARIES = (
    "numpy", "numba", "opencv-python-headless", "opencv-python", "rosbags", "torch", "onnxruntime", "onnxruntime-gpu",
    "openvino", "tensorrt", "tensorrt-rtx",
)  # fmt: skip


def report(found: Replay, classes: ClassTable, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of report.json; facts: of the bag, the checkpoint and the engine."""
    labelled = [row for row in found.rows if not row.problem]
    pixels = total(labelled, "pixels", len(classes))
    scored = sum(len(row.truth) > 0 for row in labelled)
    matrix = found.matrix if scored else None
    restless = flicker(found.rows, len(classes))
    problems = sorted({row.problem for row in found.rows if row.problem})
    notes = Counter(note.text for note in found.notes)
    if found.truth and labelled and not scored and not notes:
        unmatched = "there is ground truth, but none that belongs to these images; by stamp: see --sync-tolerance"
        notes[unmatched] = len(labelled)
    return {
        "schema_version": SCHEMA,
        **facts,
        "versions": versions(),
        "class_table": classes.to_dict(),
        "image_topic": found.image,
        "truth": found.truth,
        "complete": found.done and not found.damage,
        "damage": found.damage,
        "notes": dict(sorted(notes.items())),
        "problems": problems[:LISTED],
        "frames": {
            "read": len(found.rows),
            "labelled": len(labelled),
            "failed": len(found.rows) - len(labelled),
            "scored": scored,
        },
        "miou": matrix.miou() if matrix else None,
        "pixel_accuracy": matrix.pixel_accuracy() if matrix else None,
        "per_class": by_class(matrix, classes) if matrix else None,
        "confusion": matrix.counts.tolist() if matrix else None,
        "coverage": {name: float(pixels[k] / max(1, pixels.sum())) for k, name in enumerate(classes.names)},
        "flicker": {
            name: None if np.isnan(restless[k]) else round(float(restless[k]), 6)
            for k, name in enumerate(classes.names)
        },
        "confidence": spread([row.confidence for row in labelled]),
        "changed": spread([row.changed for row in labelled]),
        "least_confident": _named(labelled, "confidence"),
        "worst": _named(labelled, "miou"),
        "latency_ms": {
            stage: percentiles([getattr(row, f"{stage}_ms") for row in labelled])
            for stage in ("decode", *STAGES, "engine")
        },
        "throughput_fps": round(found.fresh / found.seconds, 3) if found.fresh and found.seconds else None,
    }


def write_verdict(
    found: Replay, classes: ClassTable, facts: dict[str, Any], out: Path, *, drives: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Write OUT/frames.csv and OUT/report.json; the content of report.json."""
    out.mkdir(parents=True, exist_ok=True)
    answer = report(found, classes, facts)
    if drives:
        answer["drives"] = list(drives)
        answer["complete"] &= not any(entry["problem"] for entry in drives)
    write_table(out / "frames.csv", found.rows, classes.names)
    (out / "report.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    return answer


def worst_first(rows: Sequence[Row], figure: str) -> list[Row]:
    """Rows that have the figure, the lowest first."""
    return sorted((row for row in rows if np.isfinite(getattr(row, figure))), key=lambda row: getattr(row, figure))


def _named(rows: Sequence[Row], figure: str) -> list[dict[str, Any]]:
    drive = {"drive"} if any(row.drive for row in rows) else set()
    names = [*drive, "number", "stamp_ns", figure]
    return [{name: getattr(row, name) for name in names} for row in worst_first(rows, figure)[:LISTED]]


def versions() -> dict[str, str]:
    """Of everything that labels may depend on."""
    found = {"icnet_ros": icnet_ros.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
