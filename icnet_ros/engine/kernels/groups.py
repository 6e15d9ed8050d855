"""Label groups and scores from logits, on the CPU: probabilities of classes, summed over each group.

A pixel gets the group with the largest probability: the sum of the softmax probabilities of its classes, after the
bilinear interpolation of the logits. Where the same class leads at all four neighbouring logit
vectors, with a logit above the log-sum-exp of all classes outside its group, the group leads at every interpolation of
them, too: the leading logit is interpolated linearly, and log-sum-exp is convex.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from icnet_ros.engine.base import Float32, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index, Weight
from icnet_ros.engine.kernels.upsample import Logits, both_axes, check_rows
from icnet_ros.wire.arrays import kernel_input

Integers = npt.NDArray[np.int64]


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

    group_of: index of the group of each class. ids: label of each group. Raises EngineError if a logit is NaN.
    """
    labels: UInt8 = np.empty((height, width), np.uint8)
    probability: UInt8 = np.empty((height, width) if confidence else (0, 0), np.uint8)
    logits, group_of = kernel_input(logits, np.float32), kernel_input(group_of, np.int64)
    axes = axes or both_axes(logits, height, width, align_corners)
    leading = np.zeros(logits.shape[:2], np.int64) - 1
    if not confidence:
        _certain(logits, group_of, leading)
    check_rows(_group(logits, group_of, len(ids), kernel_input(ids, np.uint8), leading, *axes, labels, probability))
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

    channel_of: for each class the channel to which its probability is added, -1 for none. Raises EngineError if a
    logit is NaN.
    """
    scores: Float32 = np.empty((height, width, channels), np.float32)
    logits = kernel_input(logits, np.float32)
    axes = axes or both_axes(logits, height, width, align_corners)
    check_rows(_score(logits, kernel_input(channel_of, np.int64), *axes, scores))
    return scores


@njit(inline="always")
def _interpolate(  # pragma: no cover
    logits: Logits, top: int, bottom: int, left: int, right: int, u: float, v: float, values: Float32
) -> np.float32:  # pragma: no cover
    """Write the logits between four neighbours into `values`; returns the largest. u: weight of right, v: of bottom."""
    highest = np.float32(-np.inf)
    for c in range(len(values)):
        above = (1 - u) * logits[top, left, c] + u * logits[top, right, c]
        below = (1 - u) * logits[bottom, left, c] + u * logits[bottom, right, c]
        values[c] = (1 - v) * above + v * below
        highest = max(highest, values[c])
    return highest


@njit(cache=True, parallel=True, nogil=True)
def _certain(logits: Logits, group_of: Integers, leading: Integers) -> None:  # pragma: no cover
    """Write the class into `leading` where its logit exceeds the log-sum-exp of all classes of other groups."""
    h, w, classes = logits.shape
    for y in prange(h):
        for x in range(w):
            best, finite = 0, True
            for c in range(classes):
                finite &= logits[y, x, c] == logits[y, x, c]  # not NaN
                if logits[y, x, c] > logits[y, x, best]:
                    best = c
            others = np.float32(0)
            for c in range(classes):
                if group_of[c] != group_of[best]:
                    others += np.exp(logits[y, x, c] - logits[y, x, best])
            if finite and others < np.float32(0.999):  # float rounding is smaller than this margin; NaN is not less
                leading[y, x] = best


@njit(cache=True, parallel=True, nogil=True)
def _group(  # pragma: no cover
    logits: Logits,
    group_of: Integers,
    groups: int,
    ids: UInt8,
    leading: Integers,
    rows: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
    confidence: UInt8,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, w, classes = logits.shape
    height, width = labels.shape
    invalid = np.zeros(height, np.bool_)
    for y in prange(height):
        top, bottom = rows[y], min(rows[y] + 1, h - 1)
        v = row_weights[y]
        values = np.empty(classes, np.float32)
        sums = np.empty(groups, np.float32)
        for x in range(width):
            left, right = columns[x], min(columns[x] + 1, w - 1)
            lead = leading[top, left]
            if (
                lead >= 0
                and lead == leading[top, right]
                and lead == leading[bottom, left]
                and lead == leading[bottom, right]
            ):
                labels[y, x] = ids[group_of[lead]]
                continue
            u = column_weights[x]
            highest = _interpolate(logits, top, bottom, left, right, u, v, values)
            sums[:] = 0
            for c in range(classes):
                sums[group_of[c]] += np.exp(values[c] - highest)
            best, total = 0, np.float32(0)
            for g in range(groups):
                total += sums[g]
                if sums[g] > sums[best]:
                    best = g
            labels[y, x] = ids[best]
            if not total >= np.float32(0.5):  # NaN
                invalid[y] = True
            elif confidence.size:
                confidence[y, x] = np.uint8(255 * sums[best] / total + 0.5)
    return invalid


@njit(cache=True, parallel=True, nogil=True)
def _score(  # pragma: no cover
    logits: Logits,
    channel_of: Integers,
    rows: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    scores: Float32,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, w, classes = logits.shape
    height, width = scores.shape[:2]
    invalid = np.zeros(height, np.bool_)
    for y in prange(height):
        top, bottom = rows[y], min(rows[y] + 1, h - 1)
        v = row_weights[y]
        values = np.empty(classes, np.float32)
        for x in range(width):
            left, right = columns[x], min(columns[x] + 1, w - 1)
            u = column_weights[x]
            highest = _interpolate(logits, top, bottom, left, right, u, v, values)
            total = np.float32(0)
            for c in range(classes):
                values[c] = np.exp(values[c] - highest)
                total += values[c]
            if not total >= np.float32(0.5):  # NaN
                invalid[y] = True
            scores[y, x, :] = 0
            for c in range(classes):
                if channel_of[c] >= 0:
                    scores[y, x, channel_of[c]] += values[c] / total
    return invalid
