"""Accuracy by the size of what is to be seen: the paper's figure 8."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.evaluation.evaluate import Answer

BIN, BINS = 3_000, 30  # pixels; larger regions count nowhere, as in the paper


class RegionAccuracy:
    """Mean accuracy of each exit on connected ground-truth regions, by their size in pixels.

    A region is a set of touching pixels (corners too) of one class in the ground truth; its accuracy
    is the share of its pixels that are labelled right. Every region counts once.
    """

    def __init__(self, exits: Sequence[str], classes: int) -> None:
        self._classes = classes
        self._regions = np.zeros(BINS, np.int64)
        self._sums = {name: np.zeros(BINS) for name in exits}

    def update(self, answer: Answer) -> None:
        """Count the regions of one image."""
        for index in np.unique(answer.truth[answer.truth < self._classes]):
            _, regions = cv2.connectedComponents((answer.truth == index).astype(np.uint8), connectivity=8)
            sizes = np.bincount(regions.reshape(-1))
            sizes[0] = 0  # everything else
            counted = (sizes > 0) & (sizes <= BIN * BINS)
            bins = (sizes[counted] - 1) // BIN
            self._regions += np.bincount(bins, minlength=BINS)
            for name, labels in answer.labels.items():
                right = np.bincount(regions[labels == index], minlength=len(sizes))
                accuracy = right[counted] / sizes[counted]
                self._sums[name] += np.bincount(bins, weights=accuracy, minlength=BINS)

    def report(self) -> dict[str, Any]:
        """Size limits, region counts, mean accuracy by exit, gain of each exit over the one before.

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


def draw_regions(report: dict[str, Any], picture: Path) -> None:
    """The gains as bars over region size, one panel each, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1 + 2.5 * len(report["gain"])), layout="constrained")
    panels = figure.subplots(len(report["gain"]), squeeze=False)[:, 0]
    for panel, (name, values) in zip(panels, report["gain"].items(), strict=True):
        centres = [(low + high) / 2 for low, high in report["bins"]]
        panel.bar(centres, [100 * (value or 0) for value in values], width=BIN * 0.85)
        panel.axhline(0, color="black", linewidth=0.8)
        fine, coarse = name.split("-")
        panel.set(title=f"{fine} over {coarse}", ylabel="accuracy gain, points", xlim=(0, BIN * BINS))
    panel.set_xlabel("size of the ground-truth region, pixels")
    figure.savefig(picture, dpi=120)


def _listed(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
