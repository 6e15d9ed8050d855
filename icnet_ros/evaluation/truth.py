"""Ground truth of the frames of a drive: from a topic of the bag, or from a folder of label images."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
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
from icnet_ros.wire.image import decode_labels
from icnet_ros.wire.index import Index, Numbered

AHEAD = 100  # messages that are rather read past than looked for


class Truth(Protocol):
    """Label maps by frame."""

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """The label map of a frame by its place on the topic, its stamp and when it was recorded (ns)."""


class TopicTruth:
    """By stamp: the equal one, else the nearest within the tolerance; of equal stamps the one recorded nearest."""

    def __init__(
        self, index: Index, read: Callable[[Sequence[int]], Iterator[Numbered]], tolerance: float, notes: set[Note]
    ) -> None:
        """read: gives the messages at these places. tolerance: seconds. notes: gets what cannot be used."""
        self._index, self._read, self._notes = index, read, notes
        self._tolerance = round(1e9 * tolerance)
        self._places = sorted((k for k, stamp in enumerate(index.stamps) if stamp >= 0), key=index.stamps.__getitem__)
        self._stamps = [index.stamps[place] for place in self._places]
        self._coming: Iterator[Numbered] | None = None
        self._at = -1  # the last place that was read, and what was there
        self._labels: UInt8 | None = None
        self._asked = 0

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See Truth. None for a stamp of 0, and for that of the image before: they cannot tell frames apart."""
        if stamp in (0, self._asked):
            problem = "images without a stamp" if stamp == 0 else "consecutive images with the same stamp"
            self._notes.add(Note(f"{problem}: no telling which ground truth is theirs; see --truth FOLDER", number))
            return None
        self._asked = stamp
        first = bisect_left(self._stamps, stamp - self._tolerance)
        near = self._places[first : bisect_right(self._stamps, stamp + self._tolerance)]
        if not near:
            return None
        index = self._index

        def distance(place: int) -> tuple[int, int, int]:
            return abs(index.stamps[place] - stamp), abs(index.recorded[place] - recorded), place

        return self._labels_at(min(near, key=distance))

    def _labels_at(self, place: int) -> UInt8 | None:
        if place != self._at:
            if self._coming is None or not self._at < place <= self._at + AHEAD:
                self._coming = self._read(range(place, len(self._index.stamps)))
            self._at, self._labels = place, None
            for there, message in self._coming:
                if there == place:
                    try:
                        self._labels = decode_labels(message.data)[1]
                    except WireError as err:
                        self._notes.add(Note(f"ground truth: {err}", message.recorded_ns))
                    break
        return self._labels


class FolderTruth:
    """PNGs of one channel, called by frame number (000012.png), by stamp in ns, or one for each image in order."""

    def __init__(self, folder: Path, images: Index) -> None:
        """images: of the whole bag, as far as it can be read. Raises TruthError."""
        count = len(images.recorded)
        files = sorted(folder.glob("*.png")) if folder.is_dir() else []
        if not files:
            raise TruthError(f"{folder}: no .png label images there")
        self._stamped = False
        if all(file.stem.isdecimal() for file in files):
            self._by_key = {int(file.stem): file for file in files}
            numbers = sum(key < count for key in self._by_key)
            self._stamped = len(self._by_key.keys() & set(images.stamps)) > numbers
        elif len(files) == count:
            self._by_key = dict(enumerate(files))
        else:
            raise TruthError(
                f"{folder}: {len(files)} label images for {count} images: call them by the number of their frame "
                "(000012.png) or its stamp in nanoseconds, or give one for each image"
            )

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See Truth. Raises TruthError for a file that is no label image."""
        file = self._by_key.get(stamp if self._stamped else number)
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

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See Truth."""
        found = self._truth.of(number, stamp, recorded)
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
