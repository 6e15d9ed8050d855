"""Comparison of two reports of the same drive, with bootstrap confidence intervals."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError
from icnet_ros.documents import DocumentError, parse_json
from icnet_ros.files import read_text, write_text
from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.report.document import Report, check_report
from icnet_ros.report.errors import CompareError
from icnet_ros.report.frames_csv import read_frames
from icnet_ros.report.gates import figures
from icnet_ros.report.report_json import SCHEMA_VERSION
from icnet_ros.wire.decoders.table import base_of

Array = npt.NDArray[np.float64]
SAMPLES = 2000
MAX_REPORT = 1 << 26  # bytes
LOWER_IS_BETTER = ("changed_pixels", "p50_ms", "p95_ms")


@dataclass(frozen=True)
class Side:
    """A report with its table of frames."""

    folder: Path
    report: Report
    frames: list[FrameRecord]
    classes: ClassTable

    @classmethod
    def read(cls, path: Path) -> "Side":
        """Read a report.json, given its path or its folder. Raises CompareError."""
        file = path / "report.json" if path.is_dir() else path
        try:
            content = parse_json(read_text(file, MAX_REPORT), str(file))
            if content.get("schema_version") != SCHEMA_VERSION:
                found = content.get("schema_version")
                raise CompareError(f"{file}: schema_version {found}, not {SCHEMA_VERSION}; run `icnet replay` again")
            classes = ClassTable.from_dict(content.get("class_table"), "class_table")
            report = check_report(content)
        except CompareError:
            raise
        except DocumentError as err:
            raise CompareError(f"not a report of `icnet replay`: {err}") from err
        except (OSError, ValueError, AttributeError, ClassTableError) as err:
            raise CompareError(f"{file}: not a report of `icnet replay`: {err}") from err
        table = file.parent / "frames.csv"
        try:
            frames = read_frames(table, classes.names)
        except (OSError, ValueError, csv.Error) as err:
            raise CompareError(f"{table}: not the frames of a report: {err}") from err
        if len(frames) != report["frames"]["read"]:
            raise CompareError(
                f"{table}: {len(frames)} frames, report.json says {report['frames']['read']}; run `icnet replay` again"
            )
        return cls(file.parent, report, frames, classes)

    @property
    def live(self) -> bool:
        """Whether the report is of a live run."""
        return "live" in self.report

    @property
    def label(self) -> str:
        """Checkpoint, engine, precision and exit as one line."""
        report = self.report
        known = (report.get("checkpoint"), report.get("engine"), report.get("precision"), report.get("exit"))
        return " ".join(name for name in known if name)


class Difference(TypedDict):
    """A figure of A and B, B minus A, and the 95 % interval of that; None where there is no value."""

    a: float | None
    b: float | None
    delta: float | None
    low: float | None
    high: float | None


class ComparedSide(TypedDict):
    """One of the two reports."""

    folder: str
    label: str


class Comparison(TypedDict):
    """Content of compare.json."""

    schema_version: int
    bag: str | list[str]
    a: ComparedSide
    b: ComparedSide
    frames: dict[str, int]
    figures: dict[str, Difference]
    agreement: float | None


def compare(a: Side, b: Side, progress: Callable[[int, int], None] = lambda *_: None) -> Comparison:
    """Content of compare.json: figures of A and B over the frames that both labelled, and B minus A.

    low, high: 95 % paired bootstrap interval over the frames. Neighbouring frames are correlated, so the true interval
    is wider. changed_pixels: over frames that both compare with the same earlier frame. agreement: share of pixels with
    the same label in both, None if a label map is missing or differs in size. Raises CompareError if drives or classes
    differ.
    """
    if a.classes.names != b.classes.names:
        raise CompareError(f"the reports have different classes: {a.classes.names} and {b.classes.names}")
    if a.report["bag_sha256"] != b.report["bag_sha256"]:
        raise CompareError(f"not the same drive: {a.report['bag']} and {b.report['bag']} differ in content")
    names = [side.report["image_topic"] for side in (a, b)]
    cameras = [{base_of(name) for name in topics.split(", ")} for topics in names]
    if not (a.live or b.live or cameras[0] & cameras[1]):
        raise CompareError(f"not the same camera: {names[0]} and {names[1]}")
    both = _pairs(a, b)
    if not both:
        raise CompareError("no frame was labelled by both")
    draws = np.random.default_rng(0).multinomial(len(both), [1 / len(both)] * len(both), SAMPLES).astype(np.float64)
    left, right = ([pair[k] for pair in both] for k in (0, 1))
    figures_of: dict[str, Difference] = {}
    scored = np.array([len(one.ground_truth) > 0 and len(other.ground_truth) > 0 for one, other in both])
    if scored.any():
        pairs = [pair for pair, known in zip(both, scored, strict=True) if known]
        if any(tuple(one.ground_truth) != tuple(other.ground_truth) for one, other in pairs):
            raise CompareError("scored against different ground truth: give both the same --ground-truth and --mapping")
        values, resampled = _scores(
            [one for one, _ in pairs], [other for _, other in pairs], len(a.classes), draws[:, scored]
        )
        names = ["miou", "pixel_accuracy", *(f"iou:{name}" for name in a.classes.names)]
        for k, name in enumerate(names):
            figures_of[name] = _entry(values[0][k], values[1][k], resampled[1][:, k] - resampled[0][:, k])
    before = [_previous_frame(a), _previous_frame(b)]
    alike = np.array([before[0](one) == before[1](other) for one, other in both])
    for name, usable in (("confidence", np.ones_like(alike)), ("changed_pixels", alike)):
        one, other = (np.array([getattr(row, name) for row in rows]) for rows in (left, right))
        known = np.isfinite(one) & np.isfinite(other) & usable
        if known.any():
            drawn = draws[:, known]
            delta = drawn @ (other - one)[known] / np.maximum(drawn.sum(1), 1)
            figures_of[name] = _entry(one[known].mean(), other[known].mean(), delta)
    one, other = (np.array([row.engine_ms for row in rows]) for rows in (left, right))
    if np.isfinite(one).all() and np.isfinite(other).all():
        for p in (50, 95):
            delta = np.array([_percentile(other, w, p) - _percentile(one, w, p) for w in draws])
            figures_of[f"p{p}_ms"] = _entry(np.percentile(one, p), np.percentile(other, p), delta)
    return {
        "schema_version": SCHEMA_VERSION,
        "bag": a.report["bag"],
        "a": {"folder": str(a.folder), "label": a.label},
        "b": {"folder": str(b.folder), "label": b.label},
        "frames": {
            "both": len(both),
            "only_a": sum(not row.error for row in a.frames) - len(both),
            "only_b": sum(not row.error for row in b.frames) - len(both),
        },
        "figures": figures_of,
        "agreement": _agreement(a, b, both, progress),
    }


def gate_figures(b: Side, found: Comparison) -> dict[str, float | None]:
    """Figures for `--fail-if`: those of B, and delta_NAME for each compared one."""
    known = figures(b.report)
    deltas: dict[str, float | None] = dict.fromkeys(f"delta_{name}" for name in known)
    return known | deltas | {f"delta_{name}": entry["delta"] for name, entry in found["figures"].items()}


def _pairs(a: Side, b: Side) -> list[tuple[FrameRecord, FrameRecord]]:
    """Pairs of rows of the same frame, matched by number, or by stamp if a side is a live run."""
    live = a.live or b.live

    def by_frame(side: Side) -> dict[int, FrameRecord]:
        rows = [row for row in side.frames if not row.error]
        stamp_counts = Counter(row.stamp_ns for row in rows)
        found: dict[int, FrameRecord] = {}
        for row in rows:
            # A repeated stamp is a frame played again in a loop if the side is live; it is ambiguous otherwise.
            if not live or side.live or stamp_counts[row.stamp_ns] == 1:
                found.setdefault(row.stamp_ns if live else row.number, row)
        return found

    first, second = by_frame(a), by_frame(b)
    return [(first[key], second[key]) for key in first if key in second]


def _previous_frame(side: Side) -> Callable[[FrameRecord], int]:
    """Function of a row: stamp of the frame that its changed_pixels are relative to, -1 for none."""
    stamps = {row.number: row.stamp_ns for row in side.frames}
    return lambda row: stamps.get(row.previous_frame, -1)


def _scores(
    left: list[FrameRecord], right: list[FrameRecord], classes: int, draws: Array
) -> tuple[list[Array], list[Array]]:
    """mIoU, pixel accuracy and IoU by class of both sides: over all frames, and over each bootstrap sample."""
    whole, drawn = [], []
    everything = np.ones((1, len(left)))
    for rows in (left, right):
        hits, truth, labelled = (
            np.array([getattr(row, name) for row in rows], float).reshape(len(rows), classes)
            for name in ("true_positives", "ground_truth", "predicted")
        )
        whole.append(_from_counts(everything, hits, truth, labelled)[0])
        drawn.append(_from_counts(draws, hits, truth, labelled))
    return whole, drawn


def _from_counts(weights: Array, hits: Array, truth: Array, labelled: Array) -> Array:
    """mIoU, pixel accuracy and IoU by class for each row of `weights` (draws, frames)."""
    intersection, actual, predicted = weights @ hits, weights @ truth, weights @ labelled
    union = actual + predicted - intersection
    iou = np.divide(intersection, union, out=np.full_like(intersection, np.nan), where=union > 0)
    known = np.isfinite(iou)
    # NaN without any ground truth pixel.
    mean = np.where(known.any(1), np.where(known, iou, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)
    accuracy = np.where(actual.sum(1) > 0, intersection.sum(1) / np.maximum(actual.sum(1), 1), np.nan)
    return np.column_stack([mean, accuracy, iou])


def _percentile(values: Array, weights: Array, p: int) -> float:
    return float(np.percentile(np.repeat(values, weights.astype(int)), p))


def _entry(a: float, b: float, deltas: Array) -> Difference:
    deltas = deltas[np.isfinite(deltas)]
    if not (np.isfinite(a) and np.isfinite(b) and deltas.size):
        return {"a": _plain(a), "b": _plain(b), "delta": None, "low": None, "high": None}
    low, high = np.percentile(deltas, (2.5, 97.5))
    return {"a": _plain(a), "b": _plain(b), "delta": _plain(b - a), "low": _plain(low), "high": _plain(high)}


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _agreement(
    a: Side, b: Side, both: list[tuple[FrameRecord, FrameRecord]], progress: Callable[[int, int], None]
) -> float | None:
    same = pixels = 0
    for number, (one, other) in enumerate(both, 1):
        maps = [_labels(side, row) for side, row in ((a, one), (b, other))]
        progress(number, len(both))
        if maps[0] is None or maps[1] is None or maps[0].shape != maps[1].shape:
            return None
        same += int((maps[0] == maps[1]).sum())
        pixels += maps[0].size
    return same / pixels


def _labels(side: Side, frame: FrameRecord) -> UInt8 | None:
    return ResultStore(side.folder).labels(frame.number)


def write_comparison(a: Side, b: Side, found: Comparison, out: Path) -> None:
    """OUT/compare.json and OUT/compare.html."""
    from icnet_ros.report import plots
    from icnet_ros.report.html import render_page

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
    charts = {}
    scores = {name: entry for name, entry in found["figures"].items() if name == "miou" or name.startswith("iou:")}
    deltas = [
        (name.removeprefix("iou:"), entry["delta"], entry["low"], entry["high"])
        for name, entry in scores.items()
        if entry["delta"] is not None and entry["low"] is not None and entry["high"] is not None
    ]
    if deltas:
        classes, *columns = zip(*deltas, strict=True)
        charts["deltas"] = plots.deltas(classes, *columns)
    if "p95_ms" in found["figures"]:
        times = {name: [row.engine_ms for row in side.frames] for name, side in (("A", a), ("B", b))}
        charts["latency"] = plots.histogram(times, "ms per frame, engine")
    title = f"{a.label} and {b.label}"
    values = {"title": title, "found": found, "lower_is_better": LOWER_IS_BETTER}
    render_page(out / "compare.html", "compare.html.jinja", charts, **values)
