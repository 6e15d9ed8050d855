"""Datasets as pairs of image and label files, read as pixels and class ids."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.files import matching, read_bytes
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import PICTURES, is_turned, read_picture
from icnet_ros.wire.pictures.stored_picture import StoredPicture, read_stored

UInt8 = npt.NDArray[np.uint8]
LabelReader = Callable[[Path], UInt8]
TEXTS = (".json", ".txt", ".csv", ".xml", ".yaml", ".yml", ".md", ".lst", ".html")  # often beside images
TURNED = (
    "; its EXIF data turns it, and the labels belong to the pixels as they are stored: if all images are like that, "
    "remove the orientation from them (exiftool -Orientation= FILE)"
)


class DatasetError(ValueError):
    """A dataset that cannot be used; names the file or folder and what is wrong with it."""


class Pair(NamedTuple):
    """An image file, its label file, and the source it belongs to ("" if sources are not named).

    read: label file -> class ids uint8 (H, W); unlabelled pixels have the `ignore` id of the class table. teacher: file
    of a teacher's predictions, see `pseudo_labels`. outlier: shows nothing of the classes; has no labels, `label` is
    the image.
    """

    image: Path
    label: Path
    read: LabelReader
    source: str = ""
    teacher: Path | None = None
    outlier: bool = False


@dataclass(frozen=True)
class Dataset:
    """A split of a dataset.

    A pair that is listed n times is seen n times as often in training.
    licence: terms of the data, for the header of checkpoints trained on it. notes: what was left out, a sentence each.
    """

    name: str
    split: str
    classes: ClassTable
    pairs: Sequence[Pair]
    licence: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[UInt8, UInt8]:
        """BGR uint8 (H, W, 3) and class ids uint8 (H, W). Raises DatasetError."""
        pair = self.pairs[index]
        try:
            image = read_picture(pair.image)
        except WireError as err:
            raise DatasetError(str(err)) from err
        labels = self.labels(index)
        if labels.shape != image.shape[:2]:
            turned = labels.shape == image.shape[1::-1] and is_turned(read_bytes(pair.image))
            raise DatasetError(
                f"{pair.label}: {labels.shape} labels for an image of {image.shape[:2]}, {pair.image}{TURNED * turned}"
            )
        return image, labels

    def labels(self, index: int) -> UInt8:
        """Class ids uint8 (H, W) alone. Raises DatasetError."""
        pair = self.pairs[index]
        labels = pair.read(pair.label)
        wrong = labels[(labels >= len(self.classes)) & (labels != self.classes.ignore)]
        if wrong.size:
            raise DatasetError(f"{pair.label}: id {wrong[0]} is none of the {len(self.classes)} classes of {self.name}")
        return labels

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in order; ("",) for a dataset without named sources."""
        return tuple(dict.fromkeys(pair.source for pair in self.pairs))

    def select_sources(self, chosen: Sequence[str] = (), without: Sequence[str] = ()) -> "Dataset":
        """The pairs of the `chosen` sources (all if empty) except those `without`. Raises DatasetError."""
        for name in (*chosen, *without):
            if name not in self.sources:
                raise DatasetError(
                    f"{self.name} {self.split} has no source {name!r}; it has {', '.join(self.sources) or 'none'}"
                )
        pairs = [pair for pair in self.pairs if (not chosen or pair.source in chosen) and pair.source not in without]
        if not pairs:
            raise DatasetError(f"{self.name} {self.split}: no source is left")
        return replace(self, pairs=pairs)

    def subsample(self, count: int) -> "Dataset":
        """At most `count` pairs without duplicates, evenly spaced over the split; 0: all."""
        pairs = list(dict.fromkeys(self.pairs))
        if count and count < len(pairs):
            pairs = [pairs[int(k)] for k in np.linspace(0, len(pairs) - 1, count).round()]
        return replace(self, pairs=pairs)


def image_files(folders: Sequence[Path], pattern: str) -> tuple[list[Path], list[str]]:
    """Pictures below a folder that match a pattern, by name, and a sentence on what else matches.

    folders: the first holds the pictures, the others must be there, too. Raises DatasetError if there is none.
    """
    images = folders[0]
    for folder in folders:
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder; is the dataset's root right?")
    try:
        found = sorted(path for path in matching(images, pattern) if not path.name.startswith("."))
    except (ValueError, NotImplementedError) as err:
        raise DatasetError(f"{images}: pattern {pattern!r} is no pattern of file names such as 'city_*'") from err
    files = [path for path in found if path.suffix.lower() in PICTURES]
    others = [path for path in found if path.suffix.lower() not in (*PICTURES, *TEXTS) and path.is_file()]
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(path.suffix or path.name for path in others).items())
    if not files:
        deeper = next((path for path in images.glob("*/**/*") if path.suffix.lower() in PICTURES), None)
        hint = f'; {deeper} lies deeper: pattern: "**/*" takes subfolders' if deeper else ""
        raise DatasetError(f"{images}: no {pattern} images in this folder{kinds and f', only {kinds}'}{hint}")
    return files, [f"{images}: left out {kinds}"] if kinds else []


def pair_up(
    images: Path, labels: Path, name_of_label: Callable[[Path], str], read: LabelReader, pattern: str = "*"
) -> list[Pair]:
    """Pair all images in a folder that match `pattern` with their label files.

    name_of_label: image path -> path of its label file, relative to `labels`. Raises DatasetError for a missing
    folder or file.
    """
    files, _ = image_files((images, labels), pattern)
    pairs = [Pair(path, labels / name_of_label(path), read) for path in files]
    for pair in pairs:
        if not pair.label.is_file():
            raise DatasetError(f"{pair.label}: missing label file of {pair.image}")
    return pairs


def read_label_file(path: Path) -> StoredPicture:
    """The values of a label file. Raises DatasetError."""
    try:
        return read_stored(path)
    except WireError as err:
        raise DatasetError(f"{path}: not a readable label image ({err})") from err


def read_ids(table: npt.NDArray[np.uint8]) -> LabelReader:
    """Reader of single-channel id images; lookup table `table` (256,): stored id -> class id."""

    def read(path: Path) -> UInt8:
        ids = read_label_file(path).values
        if ids.ndim != 2 or ids.dtype != np.uint8:
            raise DatasetError(f"{path}: {ids.dtype} {ids.shape}, a label image has one 8-bit channel")
        mapped: UInt8 = table[ids]
        return mapped

    return read


def identity() -> UInt8:
    """Lookup table uint8 (256,) that maps every id to itself."""
    return np.arange(256, dtype=np.uint8)
