"""Label groups and scores from logits, on the CPU: probabilities of classes, summed over each group.

A pixel gets the group with the largest probability: the sum of the softmax probabilities of its classes, after the
bilinear interpolation of the logits.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from icnet_ros.engine.base import Float32, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index, Weight
from icnet_ros.engine.kernels.rows import Integers, Logits, any_nan, mix, row_axes, spread_both, sum_exponentials
from icnet_ros.engine.kernels.upsample import both_axes, check_rows
from icnet_ros.wire.arrays import kernel_input


def group_map(
    logits: Logits,
    group_of: Integers,
    ids: UInt8,
    height: int,
    width: int,
    *,
    confidence: bool,
    align_corners: bool = True,
    axes: Axes | None = None,
) -> tuple[UInt8, UInt8 | None]:
    """Group ids uint8 (height, width) of logits float32 (h, w, classes) and, if requested, their probability, 0..255.

    group_of: index of the group of each class. ids: label of each group. Raises FrameError if a logit is NaN.
    """
    labels: UInt8 = np.empty((height, width), np.uint8)
    probability: UInt8 = np.empty((height, width) if confidence else (0, 0), np.uint8)
    scores: Float32 = np.empty((0, 0, len(ids)), np.float32)
    axes = axes or both_axes(logits, height, width, align_corners)
    _run(logits, group_of, ids, axes, labels, probability, scores)
    return labels, probability if confidence else None


def score_map(
    logits: Logits,
    channel_of: Integers,
    channels: int,
    height: int,
    width: int,
    *,
    align_corners: bool = True,
    axes: Axes | None = None,
) -> Float32:
    """Probabilities float32 (height, width, channels) of logits float32 (h, w, classes).

    channel_of: for each class the channel to which its probability is added, -1 for none. Raises FrameError if a
    logit is NaN.
    """
    scores: Float32 = np.empty((height, width, channels), np.float32)
    no_labels: UInt8 = np.empty((0, 0), np.uint8)
    axes = axes or both_axes(logits, height, width, align_corners)
    _run(logits, channel_of, np.zeros(channels, np.uint8), axes, no_labels, no_labels, scores)
    return scores


def _run(
    logits: Logits, channel_of: Integers, ids: UInt8, axes: Axes, labels: UInt8, confidence: UInt8, scores: Float32
) -> None:
    logits, channel_of = kernel_input(logits, np.float32), kernel_input(channel_of, np.int64)
    ids = kernel_input(ids, np.uint8)
    check_rows(_sum_channels(logits, channel_of, ids, *row_axes(axes, logits), labels, confidence, scores))


@njit
def _largest(part: Float32, label: int, highest: Float32, labels: UInt8) -> None:  # pragma: no cover
    for x in range(len(part)):
        better = part[x] > highest[x]
        highest[x] = part[x] if better else highest[x]
        labels[x] = label if better else labels[x]


@njit
def _add(part: Float32, total: Float32) -> None:  # pragma: no cover
    for x in range(len(part)):
        total[x] += part[x]


@njit(cache=True, parallel=True, nogil=True)
def _sum_channels(  # pragma: no cover
    logits: Logits,
    channel_of: Integers,
    ids: UInt8,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
    confidence: UInt8,
    scores: Float32,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    """Label of the channel with the largest sum, that sum, and all sums; what has no elements is not written."""
    h, _, classes = logits.shape
    width, channels = len(columns), len(ids)
    invalid = np.zeros(h, np.bool_)
    for y in prange(h):
        if first_row[y] == first_row[y + 1]:  # more logits than pixels
            invalid[y] = any_nan(logits[y])
            continue
        values = np.empty((classes, width), np.float32)
        highest, best = np.empty(width, np.float32), np.empty(width, np.uint8)
        sums = np.empty((channels + 1, width), np.float32)  # the last: of no channel, then of all
        above, below, invalid[y] = spread_both(logits, y, columns, column_weights)
        for row in range(first_row[y], first_row[y + 1]):
            mix(above, below, row_weights[row], values, highest, best)
            sum_exponentials(values, highest, channel_of, sums)
            for k in range(channels):
                _add(sums[k], sums[channels])
            if labels.size:
                highest[:] = 0
                for k in range(channels):
                    _largest(sums[k], ids[k], highest, labels[row])
            if confidence.size:
                for x in range(width):
                    confidence[row, x] = np.uint8(np.float32(255) * highest[x] / sums[channels, x] + np.float32(0.5))
            if scores.size:
                for x in range(width):
                    for k in range(channels):
                        scores[row, x, k] = sums[k, x] / sums[channels, x]
    return invalid
