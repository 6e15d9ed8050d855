"""Predictions of a teacher network on disk: the two most probable classes of each pixel and their shares.

A PNG of three 8-bit channels, in the order of an RGB file: id of the most probable class, id of the second, and the
share of the first in the probability of both, 255 for 1. Two classes hold nearly all of what a trained network says
about a pixel, and a picture of them is as small as its labels.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import Dataset, DatasetError, LabelReader, UInt8
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import png_file
from icnet_ros.wire.pictures.stored_picture import read_stored

SURE = 0.75  # share of the first class from which a pixel is labelled
Float32 = npt.NDArray[np.float32]


def encode(probabilities: Float32) -> UInt8:
    """Content of a file, from probabilities (H, W, classes) in 0..1, at least two classes."""
    order = np.argpartition(-probabilities, 1, axis=2)[..., :2]
    values = np.take_along_axis(probabilities, order, 2)
    swap = values[..., 1] > values[..., 0]
    order[swap] = order[swap][:, ::-1]
    first = values.max(2)
    share = first / np.maximum(values.sum(2), 1e-9)
    channels = np.dstack([np.rint(share * 255), order[..., 1], order[..., 0]])  # OpenCV writes blue, green, red
    return png_file(channels.astype(np.uint8))


def read_probabilities(path: Path, classes: int) -> UInt8:
    """uint8 (H, W, 3): first class, second class, share of the first of 255. Raises DatasetError."""
    try:
        values = read_stored(path).values
    except WireError as err:
        raise DatasetError(f"{path}: not readable predictions of a teacher ({err})") from err
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] != 3:
        raise DatasetError(f"{path}: {values.dtype} {values.shape}, predictions of a teacher have three 8-bit channels")
    wrong = values[..., :2].max(initial=0)
    if wrong >= classes:
        raise DatasetError(f"{path}: id {wrong} is none of the {classes} classes")
    channels: UInt8 = values
    return channels


def read_labels(classes: int, ignore: int) -> LabelReader:
    """Reader of class ids (H, W): the first class where its share is at least SURE, else `ignore`."""

    def read(path: Path) -> UInt8:
        first, _, share = np.moveaxis(read_probabilities(path, classes), 2, 0)
        labels: UInt8 = np.where(share >= round(SURE * 255), first, np.uint8(ignore))
        return labels

    return read


def predictions(dataset: Dataset, index: int) -> UInt8 | None:
    """A teacher's predictions for a pair of the dataset, as `read_probabilities`; None if it has none.

    Raises DatasetError.
    """
    pair = dataset.pairs[index]
    if pair.teacher is None:
        return None
    stored, labels = read_probabilities(pair.teacher, len(dataset.classes)), dataset.labels(index)
    if stored.shape[:2] != labels.shape:
        raise DatasetError(f"{pair.teacher}: {stored.shape[:2]} predictions for labels of {labels.shape}, {pair.label}")
    return stored
