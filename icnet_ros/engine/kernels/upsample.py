"""Upsampling of low-resolution logits to a label map at frame size, on the CPU.

Every pixel gets the class with the largest bilinearly interpolated logit (align_corners: as in torch), which is
what `interpolate(...)` and `argmax` give. Most cells between four neighbouring logit vectors need no
interpolation: if all four have the same largest class, so has every interpolation of them.
"""

import numpy as np
import numpy.typing as npt
from numba import config, njit, prange, set_num_threads

from icnet_ros.engine.base import FrameError, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index, Weight
from icnet_ros.wire.arrays import kernel_input

Logits = npt.NDArray[np.float32]


def use_threads(count: int) -> None:
    """Set the number of CPU threads for label maps of the calling thread (at most all cores)."""
    set_num_threads(max(1, min(count, config.NUMBA_NUM_THREADS)))


def label_map(
    logits: Logits, height: int, width: int, *, align_corners: bool = True, axes: Axes | None = None
) -> UInt8:
    """Labels uint8 (height, width) of logits float32 (h, w, classes). axes: in place of those of `align_corners`.

    Equal to interpolating all logits and taking the argmax, up to ties within float rounding; of equal logits the
    first counts. Raises EngineError if a logit is NaN.
    """
    labels: UInt8 = np.empty((height, width), np.uint8)
    axes = axes or both_axes(logits, height, width, align_corners)
    check_rows(_label(kernel_input(logits, np.float32), *axes, labels))
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
    check_rows(_label_with_confidence(kernel_input(logits, np.float32), *axes, labels, confidence, probabilities))
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
    logits: Logits, rows: Index, row_weights: Weight, columns: Index, column_weights: Weight, labels: UInt8
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
    first_row, first_column = np.searchsorted(rows, np.arange(h + 1)), np.searchsorted(columns, np.arange(w + 1))
    for y in prange(h):
        bottom = min(y + 1, h - 1)
        candidates, count = np.empty((w, classes), np.uint8), np.zeros(w, np.int64)
        for x in range(w):
            count[x] = _candidates(logits, best, y, bottom, x, min(x + 1, w - 1), candidates[x])
        left, right = np.empty(classes, np.float32), np.empty(classes, np.float32)
        for row in range(first_row[y], first_row[y + 1]):
            v = row_weights[row]
            for x in range(w):
                label = candidates[x, 0]
                if count[x] > 1:
                    for i in range(count[x]):
                        c = candidates[x, i]
                        left[i] = (1 - v) * logits[y, x, c] + v * logits[bottom, x, c]
                        right[i] = (1 - v) * logits[y, min(x + 1, w - 1), c] + v * logits[bottom, min(x + 1, w - 1), c]
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


@njit(cache=True, parallel=True, nogil=True)
def _label_with_confidence(  # pragma: no cover
    logits: Logits,
    rows: Index,
    row_weights: Weight,
    columns: Index,
    column_weights: Weight,
    labels: UInt8,
    confidence: UInt8,
    probabilities: bool,
) -> npt.NDArray[np.bool_]:  # pragma: no cover
    h, w, classes = logits.shape
    height, width = labels.shape
    invalid = np.zeros(height, np.bool_)
    for y in prange(height):
        top, bottom = rows[y], min(rows[y] + 1, h - 1)
        v = row_weights[y]
        mixed = np.empty((w, classes), np.float32)  # the two logit rows around y, interpolated
        for x in range(w):
            for c in range(classes):
                mixed[x, c] = (1 - v) * logits[top, x, c] + v * logits[bottom, x, c]
        values = np.empty(classes, np.float32)
        for x in range(width):
            left, right = columns[x], min(columns[x] + 1, w - 1)
            u = column_weights[x]
            highest = np.float32(-np.inf)
            labels[y, x] = 0
            for c in range(classes):
                values[c] = (1 - u) * mixed[left, c] + u * mixed[right, c]
                if values[c] > highest:
                    highest = values[c]
                    labels[y, x] = c
            total = np.float32(0)
            if probabilities:
                for c in range(classes):
                    total += values[c]
                total = total / highest if total != 0 else np.float32(np.inf)  # all 0: confidence 0
            else:
                for c in range(classes):
                    total += np.exp(values[c] - highest)
            if total >= np.float32(0.999):  # of probabilities it may be a little less than 1 by rounding
                confidence[y, x] = np.uint8(255 / total + 0.5)
            else:  # NaN
                confidence[y, x] = 0
                invalid[y] = True
    return invalid
