"""How far the confidence of labels can be trusted: reliability, calibration error, and what a threshold removes."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
LEVELS = 256  # of confidence
BINS = 16  # of the reliability diagram


class Bin(NamedTuple):
    """Pixels of similar confidence: how many, their mean confidence 0..1, and the share that is labelled right."""

    pixels: int
    confidence: float
    accuracy: float


class Threshold(NamedTuple):
    """What remains if labels of less confidence, 0..255, are removed.

    errors_removed, correct_kept: shares of the wrong and of the right labels. wrong: share of the remaining labels that
    is wrong. NaN where there are none.
    """

    confidence: int
    errors_removed: float
    correct_kept: float
    wrong: float


class Calibration:
    """Counts of pixels by predicted class, confidence, and whether the label is right.

    counts: int64 (classes, LEVELS, 2), the last axis is wrong, right. frames: mean confidence of each image, 0..1, over
    all its pixels, annotated or not.
    """

    def __init__(self, classes: int) -> None:
        self.counts: Counts = np.zeros((classes, LEVELS, 2), np.int64)
        self.frames: list[float] = []

    def update(self, ground_truth: UInt8, labels: UInt8, confidence: UInt8) -> None:
        """Add one image, uint8 (H, W) each. Ground truth and labels that are no class count in `frames` only."""
        classes = len(self.counts)
        self.frames.append(float(confidence.mean()) / 255)
        counted = (ground_truth < classes) & (labels < classes)
        right = ground_truth[counted] == labels[counted]
        index = (labels[counted].astype(np.intp) * LEVELS + confidence[counted]) * 2 + right
        self.counts += np.bincount(index, minlength=self.counts.size).reshape(self.counts.shape)

    def add(self, other: "Calibration") -> None:
        """Add the counts of another one of the same classes."""
        self.counts += other.counts
        self.frames += other.frames

    def of_class(self, class_id: int) -> "Calibration":
        """The pixels that were labelled as one class; without frames."""
        part = Calibration(1)
        part.counts += self.counts[class_id]
        return part

    def pixels(self) -> int:
        """Number of pixels that were counted."""
        return int(self.counts.sum())

    def reliability(self) -> list[Bin]:
        """The bins of the reliability diagram that have pixels, from low to high confidence."""
        levels = np.arange(LEVELS) / (LEVELS - 1)
        bins = []
        for part in np.split(np.arange(LEVELS), BINS):
            counts = self.counts[:, part].sum((0, 2))
            if total := int(counts.sum()):
                right = int(self.counts[:, part, 1].sum())
                bins.append(Bin(total, float((counts * levels[part]).sum() / total), right / total))
        return bins

    def expected_calibration_error(self) -> float:
        """Mean distance between confidence and accuracy, weighted by pixels (Guo et al., 2017); NaN without pixels."""
        bins = self.reliability()
        total = sum(one.pixels for one in bins)
        gaps = [one.pixels * abs(one.confidence - one.accuracy) for one in bins]
        return sum(gaps) / total if total else float("nan")

    def error_auroc(self) -> float:
        """Probability that a wrong label has less confidence than a right one; ties count half. NaN without both."""
        wrong, right = self.counts.sum(0).T.astype(np.float64)
        if not wrong.sum() or not right.sum():
            return float("nan")
        above = right.sum() - np.cumsum(right)  # right labels of more confidence
        return float((wrong * (above + right / 2)).sum() / (wrong.sum() * right.sum()))

    def thresholds(self, confidences: Iterable[int]) -> list[Threshold]:
        """What each threshold of confidence, 0..255, removes and keeps."""
        wrong, right = self.counts.sum(0).T
        rows = []
        for confidence in confidences:
            bad, good = int(wrong[confidence:].sum()), int(right[confidence:].sum())
            removed, kept = 1 - _ratio(bad, wrong.sum()), _ratio(good, right.sum())
            rows.append(Threshold(confidence, removed, kept, _ratio(bad, bad + good)))
        return rows


def _ratio(part: int, whole: int) -> float:
    return part / int(whole) if whole else float("nan")
