"""Accuracy by region size: figure 8 of the paper."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
BIN, BINS = 3_000, 30  # bin width in pixels, number of bins; larger regions are ignored, as in the paper


class RegionAccuracy:
    """Mean accuracy of each exit on connected ground-truth regions, by their size in pixels.

    A region is a set of touching pixels (corners too) of one class in the ground truth; its accuracy
    is the share of its pixels that are labelled right. Every region counts once.
    """

    def __init__(self, exits: Sequence[str], classes: int) -> None:
        self._classes = classes
        self._regions = np.zeros(BINS, np.int64)
        self._sums = {name: np.zeros(BINS) for name in exits}

    def update(self, ground_truth: UInt8, labels: Mapping[str, UInt8]) -> None:
        """Count the regions of one image (H, W); labels: label maps by exit."""
        for index in np.unique(ground_truth[ground_truth < self._classes]):
            _, regions = cv2.connectedComponents((ground_truth == index).astype(np.uint8), connectivity=8)
            sizes = np.bincount(regions.reshape(-1))
            sizes[0] = 0  # background
            counted = (sizes > 0) & (sizes <= BIN * BINS)
            bins = (sizes[counted] - 1) // BIN
            self._regions += np.bincount(bins, minlength=BINS)
            for name, predicted in labels.items():
                right = np.bincount(regions[predicted == index], minlength=len(sizes))
                accuracy = right[counted] / sizes[counted]
                self._sums[name] += np.bincount(bins, weights=accuracy, minlength=BINS)

    def report(self) -> dict[str, Any]:
        """Size limits, region counts, mean accuracy by exit, gain of each exit over the coarser one.

        Means are None in bins without a region.
        """
        names = list(self._sums)
        with np.errstate(invalid="ignore"):
            means = {name: self._sums[name] / self._regions for name in names}
        gains = {f"{fine}-{coarse}": means[fine] - means[coarse] for coarse, fine in itertools.pairwise(names)}
        return {
            "bins": [[number * BIN + 1, (number + 1) * BIN] for number in range(BINS)],
            "regions": self._regions.tolist(),
            "accuracy": {name: _listed(values) for name, values in means.items()},
            "gain": {name: _listed(values) for name, values in gains.items()},
        }


def _listed(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
