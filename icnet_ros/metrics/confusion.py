"""Confusion matrix and the scores that follow from it."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
UNLABELLED = 255  # label of a pixel without a class, unless the class table has another id for it


class ConfusionMatrix:
    """Counts pixels by (ground truth, prediction) over a whole set; mIoU is computed once, at the end.

    counts: (classes, classes). missed: (classes,), pixels of each class that were left unlabelled; they count as wrong.
    """

    def __init__(self, classes: int, unlabelled: int = UNLABELLED) -> None:
        """unlabelled: label of a pixel without a class."""
        self._unlabelled = unlabelled
        self.counts: Counts = np.zeros((classes, classes), np.int64)
        self.missed: Counts = np.zeros(classes, np.int64)

    def add(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix of the same classes."""
        self.counts += other.counts
        self.missed += other.missed

    def ground_truth(self) -> Counts:
        """Pixels of each class in the ground truth."""
        present: Counts = self.counts.sum(1) + self.missed
        return present

    def update(self, ground_truth: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
        """Add one image, both uint8 (H, W). Ground truth ids that are no class (void, 255) count nowhere.

        Raises ValueError if the sizes differ or a label is neither a class nor the id of unlabelled pixels.
        """
        if ground_truth.shape != labels.shape:
            raise ValueError(f"ground truth is {ground_truth.shape}, the label map {labels.shape}")
        classes = len(self.counts)
        pairs = ground_truth.astype(np.intp)
        pairs <<= 8
        pairs |= labels
        counts = np.bincount(pairs.reshape(-1), minlength=1 << 16).reshape(256, 256)[:classes]
        missed = counts[:, self._unlabelled].copy()
        counts[:, self._unlabelled] = 0
        wrong = np.flatnonzero(counts[:, classes:].any(0))
        if wrong.size:
            raise ValueError(f"label {classes + wrong[-1]} is none of {classes} classes")
        self.counts += counts[:, :classes]
        self.missed += missed

    def iou(self) -> npt.NDArray[np.float64]:
        """Intersection over union by class; NaN for a class neither present nor predicted."""
        hits = np.diag(self.counts)
        union = self.counts.sum(0) + self.ground_truth() - hits
        iou: npt.NDArray[np.float64] = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
        return iou

    def miou(self) -> float | None:
        """Mean of `iou` over the classes that have one; None before any pixel was counted."""
        iou = self.iou()
        return None if np.isnan(iou).all() else float(np.nanmean(iou))

    def pixel_accuracy(self) -> float | None:
        """Share of the counted pixels that are right; None before any was counted."""
        total = self.ground_truth().sum()
        return float(np.trace(self.counts) / total) if total else None

    def class_accuracy(self) -> float | None:
        """Mean over the ground truth classes of the share of their pixels labelled correctly; None without pixels."""
        present = self.ground_truth()
        if not present.any():
            return None
        return float((np.diag(self.counts)[present > 0] / present[present > 0]).mean())

    def frequency_weighted_iou(self) -> float | None:
        """Mean of `iou` weighted by the ground truth pixels of each class; None before any pixel was counted."""
        present = self.ground_truth()
        total = present.sum()
        return float(np.nansum(self.iou() * present) / total) if total else None


def sum_matrices(matrices: Iterable[ConfusionMatrix]) -> ConfusionMatrix:
    """Sum of confusion matrices. Raises ValueError if there are none."""
    first, *others = matrices
    whole = ConfusionMatrix(len(first.counts))
    for matrix in (first, *others):
        whole.add(matrix)
    return whole


def iou_by_class(matrix: ConfusionMatrix, names: Sequence[str]) -> dict[str, float | None]:
    """IoU by class name; None for a class neither present nor predicted."""
    pairs = zip(names, matrix.iou(), strict=True)
    return {name: None if np.isnan(value) else float(value) for name, value in pairs}
