"""What a replay keeps in its folder to be resumed from: a label map and a row of each frame."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import cv2

from icnet_ros.evaluation.frames import Row
from icnet_ros.render import UInt8
from icnet_ros.wire.cdr import WireError

JOURNAL = "frames*.jsonl"  # every row as soon as it is known; one file for each part
MARK = "made_with.json"


class Kept:
    """FOLDER/labels and FOLDER/confidence: PNGs called by the number of their frame."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels = folder / "labels"

    def prepare(self, identity: str, *, resume: bool = True) -> None:
        """Make it ready: what a run with the same `identity` left there stays and is taken as it is.

        Raises WireError if it holds files that no replay wrote, or cannot be written to.
        """
        try:
            self._labels.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            problem = f"{self._folder}: cannot be written to: {err.strerror}; choose another folder for --out"
            raise WireError(problem) from err
        for path in self._folder.glob("*/*.partial.png"):  # of a run that was killed
            path.unlink()
        mark = self._labels / MARK
        if mark.exists():
            try:
                same = json.loads(mark.read_text()) == identity
            except ValueError:  # killed while it wrote this
                same = False
            if resume and same:
                return
        elif any(self._labels.iterdir()):
            raise WireError(f"{self._labels} holds files that no replay wrote; choose another folder for --out")
        old = self._labels.glob("*.png"), self._labels.glob(JOURNAL), (self._folder / "confidence").glob("*.png")
        for path in (path for paths in old for path in paths):
            path.unlink()
        mark.write_text(json.dumps(identity) + "\n")

    def rows(self) -> dict[int, Row]:
        """Those of earlier runs, by number."""
        rows: dict[int, Row] = {}
        for journal in sorted(self._labels.glob(JOURNAL)):
            for line in journal.read_text().splitlines():
                try:
                    row = Row(**json.loads(line))
                except (TypeError, ValueError):  # the line at which a run was killed
                    continue
                rows[row.number] = row
        return rows

    def journal(self, part: range) -> TextIO:
        """Where rows are added with `add_row`."""
        return (self._labels / JOURNAL.replace("*", f".{part.start}")).open("a")

    def labels(self, number: int) -> UInt8 | None:
        """The label map of a frame (H, W), None if there is none, or a damaged one."""
        return _read(self._file("labels", number))

    def confidence(self, number: int) -> UInt8 | None:
        """Its confidence, 0..255, if it was asked for."""
        return _read(self._file("confidence", number))

    def write_labels(self, number: int, labels: UInt8) -> None:
        """Raises OSError."""
        _write(self._file("labels", number), labels)

    def write_confidence(self, number: int, confidence: UInt8) -> None:
        """Raises OSError."""
        _write(self._file("confidence", number), confidence)

    def _file(self, kind: str, number: int) -> Path:
        return self._folder / kind / f"{number:06d}.png"


def add_row(journal: TextIO, row: Row) -> None:
    """A run that is killed after this is resumed after this frame."""
    journal.write(json.dumps(asdict(row)) + "\n")
    journal.flush()


def _read(file: Path) -> UInt8 | None:
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.exists() else None  # type: ignore[return-value]


def _write(file: Path, picture: UInt8) -> None:
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.partial.png")
    if not cv2.imwrite(str(temporary), picture):
        raise OSError(f"{file} cannot be written")
    temporary.replace(file)
