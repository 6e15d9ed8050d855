"""What every dataset gives: pairs of files, read as pixels and class ids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable

UInt8 = npt.NDArray[np.uint8]
LabelReader = Callable[[Path], UInt8]


class DatasetError(ValueError):
    """A dataset that cannot be used; names the file or folder and what is wrong with it."""


class Pair(NamedTuple):
    """An image file and the file that annotates it."""

    image: Path
    label: Path


@dataclass(frozen=True)
class Dataset:
    """A split of a dataset.

    read_label: annotation file -> uint8 (H, W) of class ids, `classes.ignore` where there is none.
    licence: terms of the data, for the header of checkpoints trained on it.
    """

    name: str
    split: str
    classes: ClassTable
    pairs: Sequence[Pair]
    read_label: LabelReader
    licence: str

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[UInt8, UInt8]:
        """BGR uint8 (H, W, 3) and class ids uint8 (H, W). Raises DatasetError."""
        pair = self.pairs[index]
        image = cv2.imread(str(pair.image), cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"{pair.image}: not a readable image")
        labels = self.read_label(pair.label)
        if labels.shape != image.shape[:2]:
            raise DatasetError(f"{pair.label}: {labels.shape} labels for an image of {image.shape[:2]}, {pair.image}")
        wrong = labels[(labels >= len(self.classes)) & (labels != self.classes.ignore)]
        if wrong.size:
            raise DatasetError(f"{pair.label}: id {wrong[0]} is none of the {len(self.classes)} classes of {self.name}")
        return image, labels


def pair_up(images: Path, labels: Path, name_of_label: Callable[[Path], str], pattern: str = "*") -> list[Pair]:
    """Pairs of all images below a folder. Raises DatasetError for a missing folder or file."""
    for folder in (images, labels):
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder; is the dataset's root right?")
    suffixes = (".png", ".jpg", ".jpeg")
    files = sorted(path for path in images.glob(pattern) if path.suffix.lower() in suffixes)
    if not files:
        raise DatasetError(f"{images}: no {pattern} images in this folder")
    pairs = [Pair(path, labels / name_of_label(path)) for path in files]
    for pair in pairs:
        if not pair.label.is_file():
            raise DatasetError(f"{pair.label}: missing, it should annotate {pair.image}")
    return pairs


def read_ids(table: npt.NDArray[np.uint8]) -> LabelReader:
    """Reader of single-channel id images; `table` (256,) maps what they hold to class ids."""

    def read(path: Path) -> UInt8:
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if ids is None:
            raise DatasetError(f"{path}: not a readable label image")
        if ids.ndim != 2 or ids.dtype != np.uint8:
            raise DatasetError(f"{path}: {ids.dtype} {ids.shape}, a label image has one 8-bit channel")
        mapped: UInt8 = table[ids]
        return mapped

    return read


def identity() -> UInt8:
    """The table that leaves every id as it is."""
    return np.arange(256, dtype=np.uint8)
