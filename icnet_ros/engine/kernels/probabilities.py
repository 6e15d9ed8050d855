"""Label maps of networks that interpolate probabilities, not logits.

The probability of a group is the sum of those of its classes, before or after the interpolation, as that is linear.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from icnet_ros.engine.base import Float32, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, Index
from icnet_ros.engine.kernels.upsample import check_rows, label_map

Integers = npt.NDArray[np.int64]


def label_and_confidence(values: Float32, height: int, width: int, *, axes: Axes) -> tuple[UInt8, UInt8]:
    """Labels uint8 (height, width) of probabilities float32 (h, w, classes), and the share of that class, 0..255.

    Raises FrameError for NaN.
    """
    labels = label_map(values, height, width, axes=axes)
    sums, classes = values.sum(axis=2), labels.astype(np.int64)
    total = _interpolated(lambda y, x: sums[y, x], sums, axes)
    largest = _interpolated(lambda y, x: values[y, x, classes], sums, axes)
    share = largest / np.maximum(total, np.float32(1e-7))  # all 0: confidence 0
    return labels, (255 * np.clip(share, 0, 1) + np.float32(0.5)).astype(np.uint8)


def group_map(
    values: Float32, group_of: Integers, ids: UInt8, height: int, width: int, *, confidence: bool, axes: Axes
) -> tuple[UInt8, UInt8 | None]:
    """Group ids uint8 (height, width) of probabilities float32 (h, w, classes) and, if requested, confidence 0..255.

    group_of: index of the group of each class. ids: label of each group. Raises FrameError for NaN.
    """
    sums = _summed(values, group_of, len(ids))
    if not confidence:
        return ids[label_map(sums, height, width, axes=axes)], None
    labels, probability = label_and_confidence(sums, height, width, axes=axes)
    return ids[labels], probability


def score_map(values: Float32, channel_of: Integers, channels: int, axes: Axes) -> Float32:
    """Probabilities float32 (height, width, channels) of probabilities float32 (h, w, classes).

    channel_of: for each class the channel to which its probability is added, -1 for none. Raises FrameError for NaN.
    """
    sums = _summed(values, channel_of, channels + 1)  # -1 is the last one
    sums[..., -1] = values.sum(axis=2)
    full = _interpolated(lambda y, x: sums[y, x], sums, axes)
    check_rows(np.isnan(full[..., -1]))
    scores = full[..., :-1] / np.maximum(full[..., -1:], np.float32(1e-7))
    return scores.astype(np.float32, copy=False)


def _interpolated(at: Callable[[Index, Index], Float32], source: Float32, axes: Axes) -> Float32:
    """Bilinear interpolation (height, width, ...) of what `at` gives for rows (height, 1) and columns (1, width)."""
    rows, v, columns, u = axes
    y, below = rows[:, None], np.minimum(rows + 1, source.shape[0] - 1)[:, None]
    x, right = columns[None], np.minimum(columns + 1, source.shape[1] - 1)[None]
    more = (1,) * (source.ndim - 2)
    v, u = v.reshape(-1, 1, *more), u.reshape(1, -1, *more)
    mixed: Float32 = (1 - u) * ((1 - v) * at(y, x) + v * at(below, x)) + u * (
        (1 - v) * at(y, right) + v * at(below, right)
    )
    return mixed


def _summed(values: Float32, channel_of: Integers, channels: int) -> Float32:
    """Sums of the channels (h, w, channels), NaN where any value is NaN."""
    return values @ np.eye(channels, dtype=np.float32)[channel_of]
