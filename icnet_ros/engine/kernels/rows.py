"""Rows of a label map from two rows of logits, all pixels of a class at once.

The loops run along the row, over float32 values that lie one after another, so that the compiler uses vector
instructions: labels and confidence of 19 classes take 9 ns for a pixel, 62 ns pixel by pixel (AVX-512, one thread).
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from icnet_ros.engine.base import Float32, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index, Weight

Logits = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
# float32 constants: with a Python number, numba computes in float64, of which a vector holds half as many.
ONE, HALF, SIXTH, TWENTY_FOURTH = np.float32(1), np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
LIMIT = np.float32(1e30)  # of logits, so that the difference of two stays finite
SMALLEST, PART = np.float32(-24), np.float32(1 / 32)  # of the exponents: exp(-24) is nothing beside 1


def row_axes(axes: Axes, logits: Logits) -> tuple[Index, Weight, Index, Weight]:
    """The first row of the label map in each row of cells, the weights of the rows, columns and their weights."""
    rows, row_weights, columns, column_weights = axes
    return first_of(rows, len(logits)), row_weights, columns, column_weights


def first_of(index: Index, source: int) -> Index:
    """For each source coordinate the first target coordinate at or behind it, and the number of all.

    Not in a kernel: compiling searchsorted takes longer than the kernel.
    """
    return np.searchsorted(index, np.arange(source + 1))


@njit
def limited(value: np.float32) -> np.float32:  # pragma: no cover
    """A logit without infinities."""
    return np.float32(min(max(value, -LIMIT), LIMIT))


@njit
def any_nan(vectors: Logits) -> bool:  # pragma: no cover
    """Whether one of the logits (w, classes) is NaN."""
    found = False
    for i in range(len(vectors)):
        for c in range(vectors.shape[1]):
            found |= np.isnan(vectors[i, c])
    return found


@njit
def spread(  # pragma: no cover
    logits: Logits, y: int, columns: Index, column_weights: Weight, spread_out: Float32
) -> bool:  # pragma: no cover
    """Interpolate row `y` of the logits (h, w, classes) to (classes, width); returns whether one of them is NaN."""
    w, classes = logits.shape[1:]
    line = np.empty(w, np.float32)
    invalid = False
    for c in range(classes):
        for i in range(w):
            value = logits[y, i, c]
            invalid |= np.isnan(value)
            line[i] = limited(value)
        for x in range(len(columns)):
            left, u = columns[x], column_weights[x]
            spread_out[c, x] = (ONE - u) * line[left] + u * line[min(left + 1, w - 1)]
    return invalid


@njit
def spread_both(  # pragma: no cover
    logits: Logits, y: int, columns: Index, column_weights: Weight
) -> tuple[Float32, Float32, bool]:  # pragma: no cover
    """Rows `y` and `y` + 1 of the logits, the last one twice, as of `spread`; and whether a logit of row `y` is NaN."""
    shape = logits.shape[2], len(columns)
    above, below = np.empty(shape, np.float32), np.empty(shape, np.float32)
    invalid = spread(logits, y, columns, column_weights, above)
    spread(logits, min(y + 1, len(logits) - 1), columns, column_weights, below)
    return above, below, invalid


@njit
def mix(  # pragma: no cover
    above: Float32, below: Float32, v: float, values: Float32, highest: Float32, best: UInt8
) -> None:  # pragma: no cover
    """Interpolate between two rows (classes, width). v: weight of `below`. Also the largest value and its class."""
    highest[:] = -np.inf
    for c in range(len(values)):
        for x in range(len(highest)):
            value = (ONE - v) * above[c, x] + v * below[c, x]
            values[c, x] = value
            better = value > highest[x]
            highest[x] = value if better else highest[x]
            best[x] = np.uint8(c) if better else best[x]


@njit
def sum_exponentials(  # pragma: no cover
    values: Float32, highest: Float32, channel_of: Integers, sums: Float32
) -> None:  # pragma: no cover
    """Sum exp(value - highest) of the classes of each channel, to `sums` (channels, width); relative error below 1e-5.

    channel_of: the row of `sums` to which a class is added, -1 for the last. exp(x) is exp(x / 32) to the power of 32,
    as arithmetic alone becomes vector instructions.
    """
    sums[:] = 0
    for c in range(len(values)):
        channel = sums[channel_of[c]]
        for x in range(len(highest)):
            z = max(values[c, x] - highest[x], SMALLEST) * PART
            power = ONE + z * (ONE + z * (HALF + z * (SIXTH + z * TWENTY_FOURTH)))
            power *= power
            power *= power
            power *= power
            power *= power
            power *= power
            channel[x] += power
