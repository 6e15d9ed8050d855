"""What is known of each frame of a drive, and the table it is kept in."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet_ros.engine.base import STAGES
from icnet_ros.evaluation.confusion import ConfusionMatrix, Counts
from icnet_ros.render import UInt8

NAN = float("nan")
COUNTS = ("pixels", "left", "truth", "hits", "labelled")  # columns of which every class has one


@dataclass(frozen=True)
class Row:
    """One frame. Figures of a frame without labels, or without ground truth, are NaN and their counts empty.

    number: place on the topic. crc: of the message; a row counts for its own message only. confidence: mean
    over the pixels, 0..1. before: number of the frame it is compared with, -1 if there is none. changed: share
    of the pixels that that one labelled otherwise. problem: why there are no labels, "" if there are. drive:
    where several are told apart.

    By class: pixels labelled so; `left`, those of the one before that are another class now; and where the
    ground truth is a class: pixels that truly are it, those labelled rightly, those labelled so.
    """

    number: int
    stamp_ns: int
    recorded_ns: int
    crc: int
    confidence: float = NAN
    before: int = -1
    changed: float = NAN
    pixel_accuracy: float = NAN
    miou: float = NAN
    decode_ms: float = NAN
    preprocess_ms: float = NAN
    inference_ms: float = NAN
    postprocess_ms: float = NAN
    problem: str = ""
    drive: str = ""
    pixels: Sequence[int] = field(default=())
    left: Sequence[int] = field(default=())
    truth: Sequence[int] = field(default=())
    hits: Sequence[int] = field(default=())
    labelled: Sequence[int] = field(default=())

    @property
    def engine_ms(self) -> float:
        """What the engine took."""
        return float(sum(getattr(self, f"{stage}_ms") for stage in STAGES))


SINGLE = tuple(entry.name for entry in fields(Row) if entry.name not in COUNTS)
WHOLE = ("number", "stamp_ns", "recorded_ns", "crc", "before")


class Note(NamedTuple):
    """Something of the ground truth, or of live labels, that could not be used. at: which message, or frame."""

    text: str
    at: int
    drive: str = ""


class Before(NamedTuple):
    """The frame that another one is compared with."""

    number: int
    labels: UInt8


def judge(
    row: Row, labels: UInt8, before: Before | None, truth: UInt8 | None, matrix: ConfusionMatrix | None, classes: int
) -> Row:
    """The row with what follows from the label map; `matrix` counts it in. Truth ids that are no class count nowhere.

    Raises ValueError if truth and labels differ in size.
    """
    figures: dict[str, Any] = dict.fromkeys(("changed", "pixel_accuracy", "miou"), NAN) | dict.fromkeys(COUNTS, ())
    figures["before"] = -1
    figures["pixels"] = np.bincount(labels.reshape(-1), minlength=classes).tolist()
    if before is not None and before.labels.shape == labels.shape:
        moved = before.labels != labels
        figures["before"] = before.number
        figures["changed"] = round(float(moved.mean()), 6)
        figures["left"] = np.bincount(before.labels[moved], minlength=classes).tolist()
    if truth is not None and matrix is not None:
        alone = ConfusionMatrix(classes)
        alone.update(truth, labels)
        matrix.counts += alone.counts
        for name, value in (("pixel_accuracy", alone.pixel_accuracy()), ("miou", alone.miou())):
            figures[name] = NAN if value is None else round(value, 6)
        figures["truth"] = alone.counts.sum(1).tolist()
        figures["hits"] = np.diag(alone.counts).tolist()
        figures["labelled"] = alone.counts.sum(0).tolist()
    return replace(row, **figures)


def total(rows: Iterable[Row], name: str, classes: int) -> Counts:
    """Sum over the rows of one of COUNTS, by class."""
    lists = [getattr(row, name) for row in rows]
    summed: Counts = np.array([one for one in lists if len(one)], np.int64).reshape(-1, classes).sum(0)
    return summed


def flicker(rows: Sequence[Row], classes: int) -> npt.NDArray[np.float64]:
    """Share of the pixels of each class that are another class in the frame after; NaN for a class not seen."""
    by_number = {(row.drive, row.number): row for row in rows}
    # The one before is missing where what lies between two parts was never labelled.
    pairs = [(one, row) for row in rows if (one := by_number.get((row.drive, row.before))) is not None]
    left = total((row for _, row in pairs), "left", classes)
    there = total((one for one, _ in pairs), "pixels", classes)
    share: npt.NDArray[np.float64] = np.divide(left, there, out=np.full(classes, np.nan), where=there > 0)
    return share


def write_table(path: Path, rows: Iterable[Row], names: Sequence[str]) -> None:
    """frames.csv: a line for each frame, empty where there is no figure; counts as pixels:road, pixels:car, ..."""
    header = [*SINGLE, *(f"{count}:{name}" for count in COUNTS for name in names)]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        for row in rows:
            values = asdict(row)
            single = ["" if values[name] != values[name] else values[name] for name in SINGLE]
            table.writerow([*single, *(value for name in COUNTS for value in values[name] or [""] * len(names))])


def read_table(path: Path, names: Sequence[str]) -> list[Row]:
    """Inverse of `write_table`. Raises ValueError for a file that is none, OSError if it cannot be read."""
    rows = []
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            try:
                counts: dict[str, Any] = {
                    count: _numbers([line[f"{count}:{name}"] for name in names]) for count in COUNTS
                }
                rows.append(Row(**{name: _value(name, line[name]) for name in SINGLE}, **counts))
            except KeyError as err:
                raise ValueError(f"{path}: no column {err}; `icnet replay` writes it anew") from err
    return rows


def _value(name: str, text: str) -> Any:
    if name in ("problem", "drive"):
        return text
    return int(text) if name in WHOLE else float(text or "nan")


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts] if texts and texts[0] else []
