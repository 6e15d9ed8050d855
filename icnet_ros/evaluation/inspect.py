"""Label statistics and contact sheet of a dataset."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from icnet_ros.dataset.base import Dataset
from icnet_ros.dataset.statistics import LabelStatistics
from icnet_ros.render.contact_sheet import FRAMES, contact_sheet
from icnet_ros.render.painter import Painter, UInt8, side_by_side, text_strip

THREADS, AHEAD = 4, 16  # images that are read at once, and before they are needed
CELL = 720  # pixels, width of an image beside its labels


class Inspection(NamedTuple):
    """What `inspect` found. sheet: contact sheet, BGR uint8 (H, W, 3)."""

    statistics: LabelStatistics
    sheet: UInt8


def inspect(dataset: Dataset, progress: Callable[[int, int], None]) -> Inspection:
    """Read every pair, each file once. Raises DatasetError."""
    painter = Painter(dataset.classes.colours)
    chosen = {round(i) for i in np.linspace(0, len(dataset) - 1, FRAMES)}
    statistics = LabelStatistics()
    cells: list[UInt8] = []
    for number, (image, labels) in enumerate(read_ahead(dataset)):
        statistics.update(labels)
        if number in chosen:
            cells.append(_cell(image, painter.colour(labels), dataset.pairs[number].image.name))
        progress(number + 1, len(dataset))
    classes = dataset.classes
    labelled = max(1, statistics.pixels[: len(classes)].sum())
    names = [f"{name} {statistics.pixels[k] / labelled:.2%}" for k, name in enumerate(classes.names)]
    unlabelled = statistics.pixels[classes.ignore] / max(1, statistics.pixels.sum())
    caption = f"{dataset.name} {dataset.split}: {len(dataset)} pairs; black: unlabelled, {unlabelled:.1%} of the pixels"
    return Inspection(statistics, contact_sheet(_padded(cells), names, classes.colours, caption))


def read_ahead(dataset: Dataset) -> Iterator[tuple[UInt8, UInt8]]:
    """All pairs in order, read on threads. Raises DatasetError."""
    numbers = iter(range(len(dataset)))
    with ThreadPoolExecutor(THREADS) as threads:
        waiting = [threads.submit(dataset.__getitem__, number) for number in islice(numbers, AHEAD)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [threads.submit(dataset.__getitem__, number) for number in islice(numbers, 1)]
        finally:
            for one in waiting:
                one.cancel()


def _cell(image: UInt8, painted: UInt8, name: str) -> UInt8:
    """An image beside its labels, with its name, as wide as all others."""
    height = round(image.shape[0] * CELL / image.shape[1])
    small = cv2.resize(image, (CELL, height), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(painted, (CELL, height), interpolation=cv2.INTER_NEAREST)
    return np.concatenate([side_by_side([small, labels]), text_strip(name, 2 * CELL)])


def _padded(cells: list[UInt8]) -> list[UInt8]:
    height = max(len(cell) for cell in cells)
    return [
        cv2.copyMakeBorder(one, 0, height - len(one), 0, 0, cv2.BORDER_CONSTANT, value=(32, 32, 32)) for one in cells
    ]
