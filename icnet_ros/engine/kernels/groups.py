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
    logits, group_of = kernel_input(logits, np.float32), kernel_input(group_of, np.int64)
    axes = axes or both_axes(logits, height, width, align_corners)
    ids = kernel_input(ids, np.uint8)
    check_rows(_group(logits, group_of, ids, *row_axes(axes, logits), labels, probability))
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
    logits = kernel_input(logits, np.float32)
    axes = axes or both_axes(logits, height, width, align_corners)
    check_rows(_score(logits, kernel_input(channel_of, np.int64), *row_axes(axes, logits), scores))
    return scores


@njit
def _largest(part: Float32, group: int, highest: Float32, total: Float32, labels: UInt8) -> None:  # pragma: no cover
    for x in range(len(part)):
        total[x] += part[x]
        better = part[x] > highest[x]
        highest[x] = part[x] if better else highest[x]
        labels[x] = group if better else labels[x]


@njit(cache=True, parallel=True, nogil=True)
def _group(  # pragma: no cover
    logits: Logits,
    group_of: Integers,
    ids: UInt8,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
    confidence: UInt8,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, _, classes = logits.shape
    width = labels.shape[1]
    invalid = np.zeros(h, np.bool_)
    for y in prange(h):
        if first_row[y] == first_row[y + 1]:  # more logits than pixels
            invalid[y] = any_nan(logits[y])
            continue
        values = np.empty((classes, width), np.float32)
        highest, total = np.empty(width, np.float32), np.empty(width, np.float32)
        sums = np.empty((len(ids), width), np.float32)
        above, below, invalid[y] = spread_both(logits, y, columns, column_weights)
        for row in range(first_row[y], first_row[y + 1]):
            mix(above, below, row_weights[row], values, highest, labels[row])
            sum_exponentials(values, highest, group_of, sums)
            highest[:], total[:] = 0, 0
            for g in range(len(ids)):
                _largest(sums[g], ids[g], highest, total, labels[row])
            if confidence.size:
                for x in range(width):
                    confidence[row, x] = np.uint8(np.float32(255) * highest[x] / total[x] + np.float32(0.5))
    return invalid


@njit(cache=True, parallel=True, nogil=True)
def _score(  # pragma: no cover
    logits: Logits,
    channel_of: Integers,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    scores: Float32,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, _, classes = logits.shape
    width, channels = scores.shape[1:]
    invalid = np.zeros(h, np.bool_)
    for y in prange(h):
        if first_row[y] == first_row[y + 1]:  # more logits than pixels
            invalid[y] = any_nan(logits[y])
            continue
        values = np.empty((classes, width), np.float32)
        highest, best = np.empty(width, np.float32), np.empty(width, np.uint8)
        sums = np.empty((channels + 1, width), np.float32)
        above, below, invalid[y] = spread_both(logits, y, columns, column_weights)
        for row in range(first_row[y], first_row[y + 1]):
            mix(above, below, row_weights[row], values, highest, best)
            sum_exponentials(values, highest, channel_of, sums)
            for k in range(channels):  # the last sum becomes that of all
                for x in range(width):
                    sums[channels, x] += sums[k, x]
            for x in range(width):
                for k in range(channels):
                    scores[row, x, k] = sums[k, x] / sums[channels, x]
    return invalid
