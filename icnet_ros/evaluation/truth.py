"""Ground truth of the frames of a drive: from a topic of the bag, or from a folder of label images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import yaml

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.evaluation.errors import TruthError
from icnet_ros.evaluation.frames import Note
from icnet_ros.render import UInt8
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import decode_labels, stamp_ns
from icnet_ros.wire.storage import Message

AHEAD = 32  # label maps that are held for frames to come
STAMPS_FROM = 10**12  # a number in a file name that large is a stamp in ns, not the number of a frame


class Truth(Protocol):
    """Label maps by frame."""

    def of(self, number: int, stamp: int) -> UInt8 | None:
        """The label map of a frame; asked for in the order of the drive."""


class TopicTruth:
    """By stamp: the equal one, else the nearest within the tolerance."""

    def __init__(self, messages: Iterator[Message], tolerance: float, notes: set[Note]) -> None:
        """tolerance: seconds. notes: gets what cannot be used."""
        self._messages, self._notes = messages, notes
        self._tolerance = round(1e9 * tolerance)
        self._near: dict[int, UInt8] = {}  # by stamp
        self._read, self._asked = -1, -1  # the last stamps

    def of(self, number: int, stamp: int) -> UInt8 | None:
        """See Truth. None for stamps that cannot tell frames apart."""
        if stamp in (0, self._asked):
            problem = "images without a stamp" if stamp == 0 else "consecutive images with the same stamp"
            self._notes.add(Note(f"{problem}: no telling which ground truth is theirs; see --truth FOLDER", number))
            return None
        self._asked = stamp
        self._forget(stamp - self._tolerance)
        while stamp not in self._near and self._more(stamp) and (message := next(self._messages, None)) is not None:
            self._take(message)
            self._forget(stamp - self._tolerance)
        if not self._near:
            return None
        nearest = min(self._near, key=lambda time: abs(time - stamp))
        return self._near[nearest] if abs(nearest - stamp) <= self._tolerance else None

    def _more(self, stamp: int) -> bool:
        """Whether to read on: stamps are in no certain order, and one far ahead is not all that is left."""
        return self._read <= stamp + self._tolerance or len(self._near) < AHEAD

    def _take(self, message: Message) -> None:
        try:
            header, truth = decode_labels(message.data)
        except WireError as err:
            self._notes.add(Note(f"ground truth: {err}", message.recorded_ns))
            return
        self._read = stamp_ns(header)
        self._near.setdefault(self._read, truth)

    def _forget(self, until: int) -> None:
        self._near = {time: truth for time, truth in self._near.items() if time >= until}


class FolderTruth:
    """PNGs of one channel, called by frame number (000012.png), by stamp in ns, or one for each image in order."""

    def __init__(self, folder: Path, images: int) -> None:
        """images: how many the whole bag has. Raises TruthError."""
        files = sorted(folder.glob("*.png")) if folder.is_dir() else []
        if not files:
            raise TruthError(f"{folder}: no .png label images there")
        if all(file.stem.isdecimal() for file in files):
            self._by_key = {int(file.stem): file for file in files}
        elif len(files) == images:
            self._by_key = dict(enumerate(files))
        else:
            raise TruthError(
                f"{folder}: {len(files)} label images for {images} images: call them by the number of their frame "
                "(000012.png) or its stamp in nanoseconds, or give one for each image"
            )

    def of(self, number: int, stamp: int) -> UInt8 | None:
        """See Truth. Raises TruthError for a file that is no label image."""
        file = self._by_key.get(stamp if max(self._by_key) >= STAMPS_FROM else number)
        if file is None:
            return None
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if labels is None or labels.ndim != 2 or labels.dtype != np.uint8:
            raise TruthError(f"{file}: not a label image of one 8-bit channel")
        found: UInt8 = np.asarray(labels)
        return found


class Mapped:
    """Truth of another label set, its ids replaced."""

    def __init__(self, truth: Truth, table: UInt8) -> None:
        """table: (256,), id there -> class id here."""
        self._truth, self._table = truth, table

    def of(self, number: int, stamp: int) -> UInt8 | None:
        """See Truth."""
        found = self._truth.of(number, stamp)
        if found is None:
            return None
        mapped: UInt8 = self._table[found]
        return mapped


def read_mapping(path: Path, classes: ClassTable) -> UInt8:
    """Table (256,) of a YAML file `ID: CLASS NAME`; ids that are not in it count nowhere. Raises TruthError."""
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise TruthError(f"{path}: {err}") from err
    if not isinstance(entries, dict) or not entries:
        raise TruthError(f"{path}: not lines of the form `7: road`")
    table = np.full(256, classes.ignore, np.uint8)
    for number, name in entries.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 255:
            raise TruthError(f"{path}: {number!r} is no id of 0..255")
        if name not in classes.names:
            raise TruthError(f"{path}: {name!r} is none of the classes {', '.join(classes.names)}")
        table[number] = classes.names.index(name)
    return table
