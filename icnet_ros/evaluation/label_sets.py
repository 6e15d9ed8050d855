"""What a dataset's labels are like, and how far two label sets of the same images agree."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.dataset.base import Dataset, DatasetError
from icnet_ros.dataset.statistics import LabelStatistics
from icnet_ros.metrics.confusion import ConfusionMatrix, iou_by_class
from icnet_ros.render.painter import UInt8

Progress = Callable[[int, int], None]
SPECK = 12  # pixels; regions below are not counted


def statistics(dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """Pixels, images and regions of each class, which classes share images, sizes of the images. Raises DatasetError.

    Keys: images, sizes ("WxH" -> images), unlabelled (share of all pixels), classes (name -> share of labelled pixels,
    images, regions, median_region in pixels, place, together: name -> share of its images that also have that class).
    """
    classes = dataset.subsample(0).classes
    pairs = dataset.subsample(0)
    found = LabelStatistics()
    together = np.zeros((256, 256), np.int64)
    sizes: dict[str, int] = {}
    regions: list[list[int]] = [[] for _ in classes.names]
    for number in range(len(pairs)):
        labels = pairs.labels(number)
        present = found.update(labels) > 0
        together += np.outer(present, present)
        size = f"{labels.shape[1]}x{labels.shape[0]}"
        sizes[size] = sizes.get(size, 0) + 1
        for index in np.flatnonzero(present[: len(classes)]):
            regions[index] += _regions(labels, int(index))
        progress(number + 1, len(pairs))
    labelled = max(1, int(found.pixels[: len(classes)].sum()))
    entries = {
        name: {
            "share": float(found.pixels[k] / labelled),
            "images": int(found.images[k]),
            "regions": len(regions[k]),
            "median_region": float(np.median(regions[k])) if regions[k] else None,
            "place": found.place(k),
            "together": _together(together, k, classes),
        }
        for k, name in enumerate(classes.names)
    }
    unlabelled = float(found.pixels[classes.ignore] / max(1, found.pixels.sum()))
    order = dict(sorted(sizes.items(), key=lambda one: -one[1]))
    return {"images": len(pairs), "sizes": order, "unlabelled": unlabelled, "classes": entries}


def _regions(labels: UInt8, index: int) -> list[int]:
    areas = cv2.connectedComponentsWithStats((labels == index).astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return [int(area) for area in areas if area >= SPECK]


def _together(counts: Any, index: int, classes: ClassTable) -> dict[str, float]:
    images = max(1, int(counts[index, index]))
    return {name: float(counts[index, k] / images) for k, name in enumerate(classes.names) if k != index}


def agreement(first: Dataset, second: Dataset, progress: Progress) -> dict[str, Any]:
    """How far two label sets of the same images agree; images belong together by their names.

    Keys: images, only_first, only_second (numbers of images), agreement (share of the pixels that both label), iou
    (name -> IoU or None), confusion (first, second: pixels), classes, labelled_by_one (share of the pixels), worst
    ((agreement, image), lowest first). Raises DatasetError if no image or no class is in both.
    """
    names = [name for name in first.classes.names if name in second.classes.names]
    others = [name for name in (*first.classes.names, *second.classes.names) if name not in names]
    classes = [*names, *dict.fromkeys(others)]
    if not names:
        raise DatasetError(f"{first.name} and {second.name} have no class of the same name")
    tables = [_table(one.classes, classes) for one in (first, second)]
    places = [{pair.image.stem: k for k, pair in enumerate(one.pairs)} for one in (first, second)]
    shared = [stem for stem in places[0] if stem in places[1]]
    if not shared:
        raise DatasetError(f"{first.name} and {second.name} have no image of the same name")
    matrix = ConfusionMatrix(len(classes))
    pixels = one_only = 0
    scores: list[tuple[float, str]] = []
    for done, stem in enumerate(shared, 1):
        a, b = (
            table[one.labels(place[stem])] for table, one, place in zip(tables, (first, second), places, strict=True)
        )
        if a.shape != b.shape:
            raise DatasetError(f"{stem}: labels of {a.shape} in {first.name}, of {b.shape} in {second.name}")
        both = (a < 255) & (b < 255)
        matrix.update(np.where(both, a, 255).astype(np.uint8), np.where(both, b, 0).astype(np.uint8))
        one_only += int(((a < 255) != (b < 255)).sum())
        pixels += a.size
        scores.append((float((a[both] == b[both]).mean()) if both.any() else 0.0, stem))
        progress(done, len(shared))
    return {
        "images": len(shared),
        "only_first": len(places[0]) - len(shared),
        "only_second": len(places[1]) - len(shared),
        "agreement": matrix.pixel_accuracy(),
        "iou": iou_by_class(matrix, classes),
        "classes": classes,
        "confusion": matrix.counts.tolist(),
        "labelled_by_one": one_only / max(1, pixels),
        "worst": sorted(scores)[:10],
    }


def _table(classes: ClassTable, names: list[str]) -> UInt8:
    table = np.full(256, 255, np.uint8)
    table[: len(classes)] = [names.index(name) for name in classes.names]
    table[classes.ignore] = 255
    return table
