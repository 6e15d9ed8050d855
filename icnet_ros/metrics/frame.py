"""Metrics of single frames of a drive: scores against ground truth, and change from one frame to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet_ros.metrics.confusion import ConfusionMatrix, Counts

UInt8 = npt.NDArray[np.uint8]
NAN = float("nan")
# Metrics with one value per class.
COUNTS = ("pixels", "changed_from", "ground_truth", "true_positives", "predicted")


class PreviousFrame(NamedTuple):
    """The frame that another one is compared with: its number and its label map (H, W)."""

    number: int
    labels: UInt8


@dataclass(frozen=True)
class FrameMetrics:
    """Metrics of one frame. Without labels, or without ground truth, scores are NaN and counts empty.

    number: place on the topic. drive: name of the drive, where there are several. previous_frame: number of the
    frame it is compared with, -1 if there is none. changed_pixels: share of the pixels whose label differs from
    that frame's.

    Pixel counts by class. pixels: labelled as the class. changed_from: of the class in the previous frame, with another
    label now. Where the ground truth is a class: ground_truth, true_positives, predicted.
    """

    number: int
    drive: str = ""
    previous_frame: int = -1
    changed_pixels: float = NAN
    pixel_accuracy: float = NAN
    miou: float = NAN
    pixels: Sequence[int] = field(default=())
    changed_from: Sequence[int] = field(default=())
    ground_truth: Sequence[int] = field(default=())
    true_positives: Sequence[int] = field(default=())
    predicted: Sequence[int] = field(default=())


def measure_frame(
    labels: UInt8, previous: PreviousFrame | None, ground_truth: UInt8 | None, classes: int, unlabelled: int
) -> tuple[dict[str, Any], ConfusionMatrix | None]:
    """Fields of FrameMetrics for a label map (H, W), and its confusion matrix if there is ground truth.

    classes: their number. unlabelled: the id of pixels without a class. Ground truth ids that are no class count
    nowhere. Raises ValueError if ground truth and labels differ in size.
    """
    metrics: dict[str, Any] = dict.fromkeys(("changed_pixels", "pixel_accuracy", "miou"), NAN)
    metrics |= dict.fromkeys(COUNTS, ())
    metrics["previous_frame"] = -1
    metrics["pixels"] = pixels_by_class(labels, classes)
    if previous is not None and previous.labels.shape == labels.shape:
        changed = previous.labels != labels
        metrics["previous_frame"] = previous.number
        metrics["changed_pixels"] = round(float(changed.mean()), 6)
        metrics["changed_from"] = pixels_by_class(previous.labels[changed], classes)
    if ground_truth is None:
        return metrics, None
    matrix = ConfusionMatrix(classes, unlabelled)
    matrix.update(ground_truth, labels)
    for name, value in (("pixel_accuracy", matrix.pixel_accuracy()), ("miou", matrix.miou())):
        metrics[name] = NAN if value is None else round(value, 6)
    metrics["ground_truth"] = matrix.ground_truth().tolist()
    metrics["true_positives"] = np.diag(matrix.counts).tolist()
    metrics["predicted"] = matrix.counts.sum(0).tolist()
    return metrics, matrix


def pixels_by_class(labels: UInt8, classes: int) -> list[int]:
    """Number of pixels of each class; unlabelled ones are not counted."""
    counts: list[int] = np.bincount(labels.reshape(-1), minlength=classes)[:classes].tolist()
    return counts


def sum_counts(frames: Iterable[FrameMetrics], name: str, classes: int) -> Counts:
    """Sum over the frames of one of COUNTS, by class."""
    lists = [getattr(frame, name) for frame in frames]
    total: Counts = np.array([one for one in lists if len(one)], np.int64).reshape(-1, classes).sum(0)
    return total


def flicker(frames: Sequence[FrameMetrics], classes: int) -> npt.NDArray[np.float64]:
    """Share of the pixels of each class that have another label in the next frame; NaN for a class not seen."""
    by_number = {(frame.drive, frame.number): frame for frame in frames}
    # The previous frame has no record if the part of the drive that it belongs to was not replayed.
    pairs = [
        (previous, frame)
        for frame in frames
        if (previous := by_number.get((frame.drive, frame.previous_frame))) is not None
    ]
    changed = sum_counts((frame for _, frame in pairs), "changed_from", classes)
    present = sum_counts((previous for previous, _ in pairs), "pixels", classes)
    share: npt.NDArray[np.float64] = np.divide(changed, present, out=np.full(classes, np.nan), where=present > 0)
    return share
