"""Class frequencies and contact sheet of a dataset."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import Dataset
from icnet_ros.render.contact_sheet import FRAMES, contact_sheet
from icnet_ros.render.painter import Painter, UInt8, side_by_side


def inspect(dataset: Dataset, progress: Callable[[int, int], None]) -> tuple[npt.NDArray[np.int64], UInt8]:
    """Read every pair: pixels by id (256,), and a contact sheet of some. Raises DatasetError."""
    painter = Painter(dataset.classes.colours)
    chosen = {round(i) for i in np.linspace(0, len(dataset) - 1, FRAMES)}
    counts = np.zeros(256, np.int64)
    pairs: list[UInt8] = []
    for number in range(len(dataset)):
        image, labels = dataset[number]
        counts += np.bincount(labels.reshape(-1), minlength=256)
        if number in chosen and (not pairs or pairs[0].shape[0] == image.shape[0]):
            pairs.append(side_by_side([image, painter.overlay(image, labels)]))
        progress(number + 1, len(dataset))
    return counts, contact_sheet(pairs, dataset.classes.names, dataset.classes.colours)
