"""Upsampling of low-resolution logits to a label map at frame size, on the CPU.

Every pixel gets the class with the largest bilinearly interpolated logit (align_corners: as in torch), which is
what `interpolate(...)` and `argmax` give. Most cells between four neighbouring logit vectors need no
interpolation: if all four have the same largest class, so has every interpolation of them. Where many cells need one,
as with the noise of random weights, whole rows are interpolated.
"""

import numpy as np
import numpy.typing as npt
from numba import config, njit, prange, set_num_threads

from icnet_ros.engine.base import FrameError, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index, Weight
from icnet_ros.engine.kernels.rows import (
    Logits,
    any_nan,
    first_of,
    limited,
    mix,
    row_axes,
    spread_both,
    sum_exponentials,
)
from icnet_ros.wire.arrays import kernel_input


def use_threads(count: int) -> None:
    """Set the number of CPU threads for label maps of the calling thread (at most all cores)."""
    set_num_threads(max(1, min(count, config.NUMBA_NUM_THREADS)))


def label_map(
    logits: Logits, height: int, width: int, *, align_corners: bool = True, axes: Axes | None = None
) -> UInt8:
    """Labels uint8 (height, width) of logits float32 (h, w, classes). axes: in place of those of `align_corners`.

    Equal to interpolating all logits and taking the argmax, up to ties within float rounding; of equal logits the
    first counts. Raises FrameError if a logit is NaN.
    """
    labels: UInt8 = np.empty((height, width), np.uint8)
    axes = axes or both_axes(logits, height, width, align_corners)
    first_column = first_of(axes[2], logits.shape[1])
    check_rows(_label(kernel_input(logits, np.float32), *row_axes(axes, logits), first_column, labels))
    return labels


def label_and_confidence(
    logits: Logits,
    height: int,
    width: int,
    *,
    align_corners: bool = True,
    axes: Axes | None = None,
    probabilities: bool = False,
) -> tuple[UInt8, UInt8]:
    """`label_map` and the softmax probability of the chosen class, 0..255, each (height, width).

    probabilities: the values are probabilities themselves, so there is no softmax.
    """
    labels: UInt8 = np.empty((height, width), np.uint8)
    confidence: UInt8 = np.empty((height, width), np.uint8)
    axes = axes or both_axes(logits, height, width, align_corners)
    logits = kernel_input(logits, np.float32)
    check_rows(_label_with_confidence(logits, *row_axes(axes, logits), labels, confidence, probabilities))
    return labels, confidence


def check_rows(invalid: npt.NDArray[np.bool_]) -> None:
    """Raise FrameError if a row of the kernel's output is invalid."""
    if invalid.any():
        raise FrameError("the network gave NaN for this frame; no labels are returned")


def both_axes(logits: Logits, height: int, width: int, align_corners: bool) -> Axes:
    """`axis` of rows and of columns."""
    return *axis(logits.shape[0], height, align_corners), *axis(logits.shape[1], width, align_corners)


def axis(source: int, target: int, align_corners: bool = True) -> tuple[Index, Weight]:
    """For each target coordinate the source coordinate at or before it, and the weight of the next."""
    coordinates = np.arange(target, dtype=np.float32)
    if align_corners:
        position = coordinates * (np.float32((source - 1) / (target - 1)) if target > 1 else np.float32(0))
    else:
        position = np.maximum((coordinates + np.float32(0.5)) * np.float32(source / target) - np.float32(0.5), 0)
    index = np.minimum(position.astype(np.int64), source - 1)
    return index, position - index.astype(np.float32)


@njit(cache=True, parallel=True, nogil=True)
def _label(  # pragma: no cover
    logits: Logits,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    first_column: Index,
    labels: UInt8,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, w, classes = logits.shape
    best = np.zeros((h, w), np.uint8)
    invalid = np.zeros(h, np.bool_)
    for y in prange(h):
        for x in range(w):
            highest = logits[y, x, 0]
            for c in range(classes):
                value = logits[y, x, c]
                if value > highest:
                    highest, best[y, x] = value, np.uint8(c)
                elif not value <= highest:  # NaN
                    invalid[y] = True
    for y in prange(h):
        bottom = min(y + 1, h - 1)
        candidates, count = np.empty((w, classes), np.uint8), np.zeros(w, np.int64)
        more = 0
        for x in range(w):
            count[x] = _candidates(logits, best, y, bottom, x, min(x + 1, w - 1), candidates[x])
            more += count[x] - 1
            if 8 * more > w * classes:  # for one pixel an interpolation took 8 times as long as in a row
                break
        if 8 * more > w * classes:
            _label_rows(logits, y, first_row, row_weights, columns, column_weights, labels)
            continue
        left, right = np.empty(classes, np.float32), np.empty(classes, np.float32)
        for row in range(first_row[y], first_row[y + 1]):
            v = row_weights[row]
            for x in range(w):
                label = candidates[x, 0]
                if count[x] > 1:
                    for i in range(count[x]):
                        c = candidates[x, i]
                        beside = min(x + 1, w - 1)
                        left[i] = (1 - v) * limited(logits[y, x, c]) + v * limited(logits[bottom, x, c])
                        right[i] = (1 - v) * limited(logits[y, beside, c]) + v * limited(logits[bottom, beside, c])
                for column in range(first_column[x], first_column[x + 1]):
                    if count[x] > 1:
                        u = column_weights[column]
                        highest = np.float32(-np.inf)
                        for i in range(count[x]):
                            value = (1 - u) * left[i] + u * right[i]
                            if value > highest:
                                highest, label = value, candidates[x, i]
                    labels[row, column] = label
    return invalid


@njit(inline="always")
def _below(value: float, leading: float, strictly: bool) -> bool:  # pragma: no cover
    return value < leading if strictly else value <= leading


@njit(inline="always")
def _candidates(  # pragma: no cover
    logits: Logits, best: UInt8, top: int, bottom: int, left: int, right: int, candidates: UInt8
) -> int:  # pragma: no cover
    """Write the classes that can have the largest logit somewhere between four neighbours; returns their number.

    A class that is nowhere above the leading class of one of the four is below it everywhere between them. Of equal
    logits the first counts, so a class before the leading one must be below it at all four.
    """
    leading = best[top, left], best[top, right], best[bottom, left], best[bottom, right]
    if leading[0] == leading[1] == leading[2] == leading[3]:
        candidates[0] = leading[0]
        return 1
    count = 0
    for c in range(logits.shape[2]):
        possible = True
        for k in leading:
            before = c < k
            if (
                k != c
                and _below(logits[top, left, c], logits[top, left, k], before)
                and _below(logits[top, right, c], logits[top, right, k], before)
                and _below(logits[bottom, left, c], logits[bottom, left, k], before)
                and _below(logits[bottom, right, c], logits[bottom, right, k], before)
            ):
                possible = False
        if possible:
            candidates[count] = c
            count += 1
    return count


@njit
def _label_rows(  # pragma: no cover
    logits: Logits,
    y: int,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
) -> None:  # pragma: no cover
    classes, width = logits.shape[2], labels.shape[1]
    values = np.empty((classes, width), np.float32)
    highest = np.empty(width, np.float32)
    above, below, _ = spread_both(logits, y, columns, column_weights)
    for row in range(first_row[y], first_row[y + 1]):
        mix(above, below, row_weights[row], values, highest, labels[row])


@njit(cache=True, parallel=True, nogil=True)
def _label_with_confidence(  # pragma: no cover
    logits: Logits,
    first_row: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
    confidence: UInt8,
    probabilities: bool,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, _, classes = logits.shape
    width = labels.shape[1]
    invalid = np.zeros(h, np.bool_)
    channel_of = np.zeros(classes, np.int64)
    for y in prange(h):
        if first_row[y] == first_row[y + 1]:  # more logits than pixels
            invalid[y] = any_nan(logits[y])
            continue
        values = np.empty((classes, width), np.float32)
        highest, total = np.empty(width, np.float32), np.empty((1, width), np.float32)
        above, below, invalid[y] = spread_both(logits, y, columns, column_weights)
        for row in range(first_row[y], first_row[y + 1]):
            mix(above, below, row_weights[row], values, highest, labels[row])
            if probabilities:
                total[:] = 0
                for c in range(classes):
                    for x in range(width):
                        total[0, x] += values[c, x]
                for x in range(width):  # all 0: confidence 0
                    share = highest[x] / total[0, x] if total[0, x] > 0 else np.float32(0)
                    confidence[row, x] = np.uint8(np.float32(255) * min(share, np.float32(1)) + np.float32(0.5))
                continue
            sum_exponentials(values, highest, channel_of, total)
            for x in range(width):
                confidence[row, x] = np.uint8(np.float32(255) / total[0, x] + np.float32(0.5))
    return invalid
