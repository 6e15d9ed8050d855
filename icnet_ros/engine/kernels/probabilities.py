"""Label maps of networks that interpolate probabilities, not logits.

The probability of a group is the sum of those of its classes, before or after the interpolation, as that is linear.
"""

import numpy as np
import numpy.typing as npt

from icnet_ros.engine.base import Float32, UInt8
from icnet_ros.engine.kernels.coordinates import Axes
from icnet_ros.engine.kernels.upsample import check_rows, label_and_confidence, label_map

Integers = npt.NDArray[np.int64]


def group_map(
    values: Float32, group_of: Integers, ids: UInt8, height: int, width: int, *, confidence: bool, axes: Axes
) -> tuple[UInt8, UInt8 | None]:
    """Group ids uint8 (height, width) of probabilities float32 (h, w, classes) and, if requested, confidence 0..255.

    group_of: index of the group of each class. ids: label of each group. Raises FrameError for NaN.
    """
    sums = _summed(values, group_of, len(ids))
    if not confidence:
        return ids[label_map(sums, height, width, axes=axes)], None
    labels, probability = label_and_confidence(sums, height, width, axes=axes, probabilities=True)
    return ids[labels], probability


def score_map(values: Float32, channel_of: Integers, channels: int, axes: Axes) -> Float32:
    """Probabilities float32 (height, width, channels) of probabilities float32 (h, w, classes).

    channel_of: for each class the channel to which its probability is added, -1 for none. Raises FrameError for NaN.
    """
    sums = _summed(values, channel_of, channels + 1)  # -1 is the last one
    sums[..., -1] = values.sum(axis=2)
    rows, v, columns, u = axes
    v, u = v[:, None, None], u[None, :, None]
    below, right = np.minimum(rows + 1, len(values) - 1), np.minimum(columns + 1, values.shape[1] - 1)
    mixed = (1 - v) * sums[rows] + v * sums[below]
    full = (1 - u) * mixed[:, columns] + u * mixed[:, right]
    check_rows(np.isnan(full[..., -1]))
    scores: Float32 = full[..., :-1] / np.maximum(full[..., -1:], np.float32(1e-7))
    return scores


def _summed(values: Float32, channel_of: Integers, channels: int) -> Float32:
    """Sums of the channels (h, w, channels), NaN where any value is NaN."""
    return values @ np.eye(channels, dtype=np.float32)[channel_of]
