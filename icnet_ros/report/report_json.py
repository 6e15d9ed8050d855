"""report.json: the figures of a drive. Its keys are in docs/replay.md."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import STAGES
from icnet_ros.files import writing
from icnet_ros.metrics.confusion import iou_by_class
from icnet_ros.metrics.frame import flicker, sum_counts
from icnet_ros.metrics.statistics import distribution, percentiles
from icnet_ros.replay.metadata import RunMetadata, versions
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.report.document import Classes, DriveReport, ListedDrive, ListedFrame, Report
from icnet_ros.report.frame_errors import frame_errors
from icnet_ros.report.frames_csv import write_frames

SCHEMA_VERSION = 3
MAX_LISTED = 10  # frames that are listed as the worst
LOWEST_ACCURACY = 0.2  # of pixels; a trained network has more on any drive whose ids are those of its classes


def build_report(result: ReplayResult, classes: ClassTable, metadata: RunMetadata) -> DriveReport:
    """The content of report.json; metadata: of the bag, the checkpoint and the engine."""
    labelled = [frame for frame in result.frames if not frame.error]
    pixels = sum_counts(labelled, "pixels", len(classes))
    scored = sum(len(frame.ground_truth) > 0 for frame in labelled)
    matrix = result.matrix if scored else None
    flickering = flicker(result.frames, len(classes))
    warnings = Counter(warning.text for warning in result.warnings)
    if damaged := [frame.damage for frame in labelled if frame.damage]:
        warnings[f"damaged images were labelled, parts of them are invented; the first: {damaged[0]}"] = len(damaged)
    if result.ground_truth and labelled and not scored and not warnings:
        unmatched = "there is ground truth, but none that belongs to these images; by stamp: see --sync-tolerance"
        warnings[unmatched] = len(labelled)
    accuracy = matrix.pixel_accuracy() if matrix else None
    if accuracy is not None and accuracy < LOWEST_ACCURACY and metadata.get("trained"):
        warnings[
            f"only {accuracy:.0%} of the pixels agree with the ground truth: are its ids those of {classes.name}? "
            "Take a model of its classes, or give the class of each of its ids with --mapping"
        ] = scored
    elif matrix is not None and accuracy == 1 and scored > 1 and matrix.counts.any(axis=1).sum() > 1:
        warnings[
            "all pixels agree with the ground truth: is it what this model gave, recorded or published again? "
            "Annotations by others never agree so well"
        ] = scored
    return {
        "schema_version": SCHEMA_VERSION,
        **metadata,
        "versions": versions(),
        "class_table": cast("Classes", classes.to_dict()),
        "image_topic": result.image_topic,
        "ground_truth": result.ground_truth,
        "complete": result.completed and not result.corruption,
        "corruption": result.corruption,
        "warnings": dict(sorted(warnings.items())),
        "errors": frame_errors(result.frames),
        "frames": {
            "read": len(result.frames),
            "labelled": len(labelled),
            "failed": len(result.frames) - len(labelled),
            "scored": scored,
            "damaged": len(damaged),
        },
        "miou": matrix.miou() if matrix else None,
        "pixel_accuracy": accuracy,
        "per_class": iou_by_class(matrix, classes.names) if matrix else None,
        "confusion": matrix.counts.tolist() if matrix else None,
        "confusion_unlabelled": matrix.missed.tolist() if matrix else None,
        "coverage": {name: float(pixels[k] / max(1, pixels.sum())) for k, name in enumerate(classes.names)},
        "flicker": {
            name: None if np.isnan(flickering[k]) else round(float(flickering[k]), 6)
            for k, name in enumerate(classes.names)
        },
        "confidence": distribution([frame.confidence for frame in labelled]),
        "changed_pixels": distribution([frame.changed_pixels for frame in labelled]),
        "least_confident": _lowest(labelled, "confidence"),
        "worst": _lowest(labelled, "miou"),
        "latency_ms": {
            stage: percentiles([getattr(frame, f"{stage}_ms") for frame in labelled])
            for stage in ("decode", *STAGES, "engine")
        },
        "throughput_fps": (
            round(result.newly_labelled / result.seconds, 3) if result.newly_labelled and result.seconds else None
        ),
    }


def write_report_json(
    result: ReplayResult,
    classes: ClassTable,
    metadata: RunMetadata,
    out: Path,
    *,
    drives: Sequence[ListedDrive] = (),
) -> Report:
    """Write OUT/frames.csv and OUT/report.json; returns the content of report.json."""
    out.mkdir(parents=True, exist_ok=True)
    report = cast("Report", build_report(result, classes, metadata))
    if drives:
        report["drives"] = list(drives)
        report["complete"] &= not any(entry["error"] for entry in drives)
    with writing(out / "frames.csv", "--out"):
        write_frames(out / "frames.csv", result.frames, classes.names)
    with writing(out / "report.json", "--out"):
        (out / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    return report


def worst_first(frames: Sequence[FrameRecord], figure: str) -> list[FrameRecord]:
    """Frames that have the figure, the lowest first."""
    known = (frame for frame in frames if np.isfinite(getattr(frame, figure)))
    return sorted(known, key=lambda frame: getattr(frame, figure))


def _lowest(frames: Sequence[FrameRecord], figure: Literal["confidence", "miou"]) -> list[ListedFrame]:
    drive = {"drive"} if any(frame.drive for frame in frames) else set()
    names = [*drive, "number", "stamp_ns", figure]
    worst = worst_first(frames, figure)[:MAX_LISTED]
    return [cast("ListedFrame", {name: getattr(frame, name) for name in names}) for frame in worst]
