"""The folder in which a replay stores label maps and frame records, so that it can be resumed."""

import json
import os
from dataclasses import asdict
from io import FileIO
from pathlib import Path

import cv2

from icnet_ros.files import read_text, write_all, writing
from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import write_picture

PROGRESS_LOG = "frames*.jsonl"  # frame records, written as the replay runs; one file per part of a drive
MADE_WITH = "made_with.json"  # what the stored labels depend on
REPORTS = ("report.json", "report.html", "frames.csv")


class ResultStore:
    """FOLDER/labels and FOLDER/confidence: PNGs named by the number of their frame."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels = folder / "labels"

    def prepare(self, made_with: str, *, resume: bool = True) -> None:
        """Prepare the folder: keep the results of a run with the same `made_with` for reuse, delete others.

        Raises WireError if the folder is not writable, or if its labels folder has files that no replay wrote.
        """
        try:
            self._labels.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            reason = f"{self._folder}: cannot be written to: {err.strerror}; choose another folder for --out"
            raise WireError(reason) from err
        for path in self._folder.glob("*/*.partial.png"):  # of a run that was killed
            path.unlink()
        stored = self._labels / MADE_WITH
        reports: list[Path] = []
        if stored.exists():
            reports = [self._folder / name for name in REPORTS]
            try:
                same = json.loads(read_text(stored)) == made_with
            except ValueError:  # killed while it wrote this
                same = False
            if resume and same:
                return
        else:
            for folder in (self._labels, self._folder / "confidence"):
                if folder.is_dir() and any(folder.iterdir()):
                    raise WireError(f"{folder} holds files that no replay wrote; choose another folder for --out")
        old = self._labels.glob("*.png"), self._labels.glob(PROGRESS_LOG), (self._folder / "confidence").glob("*.png")
        for path in (path for paths in (*old, reports) for path in paths):
            path.unlink(missing_ok=True)
        with writing(stored, "--out"):
            stored.write_text(json.dumps(made_with) + "\n")

    def records(self) -> dict[int, FrameRecord]:
        """Frame records of earlier runs, by number."""
        records: dict[int, FrameRecord] = {}
        for log in sorted(self._labels.glob(PROGRESS_LOG)):
            for line in read_text(log).splitlines():
                try:
                    record = FrameRecord(**json.loads(line))
                except (TypeError, ValueError):  # incomplete line of a killed run, or a record of an older version
                    continue
                records[record.number] = record
        return records

    def open_progress_log(self, part: range) -> FileIO:
        """The file to which `append_record` adds the frames of this part of a drive."""
        return (self._labels / PROGRESS_LOG.replace("*", f".{part.start}")).open("ab", buffering=0)

    def labels(self, number: int) -> UInt8 | None:
        """The label map of a frame (H, W), None if there is none or it cannot be read."""
        return _read(self._file("labels", number))

    def confidence(self, number: int) -> UInt8 | None:
        """Its confidence map (H, W), 0..255, None if it was not stored."""
        return _read(self._file("confidence", number))

    def write_labels(self, number: int, labels: UInt8) -> None:
        """Store a label map. Raises OSError."""
        _write(self._file("labels", number), labels)

    def write_confidence(self, number: int, confidence: UInt8) -> None:
        """Store a confidence map. Raises OSError."""
        _write(self._file("confidence", number), confidence)

    def _file(self, kind: str, number: int) -> Path:
        return self._folder / kind / f"{number:06d}.png"


def append_record(log: FileIO, record: FrameRecord) -> None:
    """Log a frame; a run that is killed after this is resumed after this frame."""
    with writing(log.name, "--out"):
        write_all(log, (json.dumps(asdict(record)) + "\n").encode())


def _read(file: Path) -> UInt8 | None:
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.exists() else None  # type: ignore[return-value]


def _write(file: Path, picture: UInt8) -> None:
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.partial.png")
    write_picture(temporary, picture)
    temporary.replace(file)
