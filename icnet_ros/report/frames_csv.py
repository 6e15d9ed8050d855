"""frames.csv: the records of all frames as a table."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from icnet_ros.files import open_regular
from icnet_ros.metrics.frame import COUNTS
from icnet_ros.replay.results.frame_record import FrameRecord

SCALAR_COLUMNS = tuple(entry.name for entry in fields(FrameRecord) if entry.name not in COUNTS)
INTEGER_COLUMNS = ("number", "stamp_ns", "recorded_ns", "crc", "previous_frame")
TEXT_COLUMNS = ("error", "drive", "damage")
ADDED_COLUMNS = ("damage",)  # tables of earlier versions lack them
SCORES = ("ground_truth", "true_positives", "predicted")  # of a frame, all or none
MAX_DIGITS = 15  # of a number of pixels: exact as float64


def write_frames(path: Path, frames: Iterable[FrameRecord], names: Sequence[str]) -> None:
    """Write one row per frame; NaN is an empty cell, counts by class are columns pixels:road, pixels:car, ..."""
    header = [*SCALAR_COLUMNS, *(f"{count}:{name}" for count in COUNTS for name in names)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        for frame in frames:
            values = asdict(frame)
            single = ["" if values[name] != values[name] else values[name] for name in SCALAR_COLUMNS]
            table.writerow([*single, *(value for name in COUNTS for value in values[name] or [""] * len(names))])


def read_frames(path: Path, names: Sequence[str]) -> list[FrameRecord]:
    """Inverse of `write_frames`.

    Raises ValueError for a file that is no such table, OSError if it cannot be read.
    """
    frames = []
    with TextIOWrapper(open_regular(path), "utf-8", newline="") as file:
        table = csv.DictReader(file)
        for number, line in enumerate(table, 2):
            try:
                counts: dict[str, Any] = {
                    count: _counts(count, [line[f"{count}:{name}"] for name in names]) for count in COUNTS
                }
                single = {
                    name: _value(name, line[name])
                    for name in SCALAR_COLUMNS
                    if name in line or name not in ADDED_COLUMNS
                }
                if len({bool(counts[name]) for name in SCORES}) > 1:
                    raise ValueError(f"some of {', '.join(SCORES)} are empty, others are not")
                frames.append(FrameRecord(**single, **counts))
            except KeyError as err:
                raise ValueError(f"no column {err}; run `icnet replay` again") from err
            except (ValueError, TypeError) as err:
                raise ValueError(f"line {number}: {err}") from err
    return frames


def _value(name: str, text: str) -> Any:
    if name in TEXT_COLUMNS:
        return text
    try:
        return int(text) if name in INTEGER_COLUMNS else float(text or "nan")
    except ValueError:
        raise ValueError(f"{name} is {text!r:.40}, not a number") from None


def _counts(name: str, texts: list[str | None]) -> list[int]:
    if None in texts:
        raise ValueError(f"it ends before the last column of {name}")
    if not any(texts):
        return []
    counts = []
    for text in texts:
        if not text or not text.isdecimal() or len(text) > MAX_DIGITS:
            raise ValueError(f"{name} is {text or ''!r:.40}, not a number of pixels")
        counts.append(int(text))
    return counts
