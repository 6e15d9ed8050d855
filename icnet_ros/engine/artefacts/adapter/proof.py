"""Whether the engine's own tail gives the labels of the operators that it replaces."""

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.base import FrameError, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, network_axes
from icnet_ros.engine.kernels.upsample import both_axes, label_map
from icnet_ros.engine.tail import Interpolation

LEAST_EQUAL = 0.9999  # share of the labels
TIE, FP16_TIE = 1e-5, 5e-3  # difference of two values within rounding, relative to the largest value


def share_equal(
    values: Array, interpolation: Interpolation | None, network: tuple[int, int], output: Array, labels: bool
) -> float:
    """Share of the labels that the engine computes as the network does; 0 if another one differs beyond rounding.

    values: (h, w, classes), what the network gives to the engine. network: size of its input. output: of the whole
    network, (H, W, classes), or (H, W, 1) if it gives labels.
    """
    size = output.shape[0], output.shape[1]
    logits = np.ascontiguousarray(values, np.float32)
    axes = (
        both_axes(logits, *size, align_corners=True)
        if interpolation is None
        else network_axes((values.shape[0], values.shape[1]), size, network, interpolation)
    )
    try:
        ours = label_map(logits, *size, axes=axes)
    except FrameError:
        return 0.0
    theirs = output[..., 0] if labels else output.argmax(2)
    differing = np.argwhere(ours != theirs)
    if len(differing) and not _all_ties(logits, axes, differing, ours, theirs, output, labels):
        return 0.0
    return 1 - len(differing) / ours.size


def share_same_order(expected: Array, actual: Array, axis: int | None) -> float:
    """Share of the places where the same class has the largest value; 0 if another one differs beyond rounding.

    axis: that of the classes; None: the values are labels, all of which must be the same.
    """
    if expected.shape != actual.shape or not np.isfinite(actual.astype(np.float64)).all():
        return 0.0
    if axis is None:
        return float((expected == actual).all())
    tie = FP16_TIE if expected.dtype == np.float16 else TIE
    chosen = actual.argmax(axis)
    lost = expected.max(axis) - np.take_along_axis(expected, np.expand_dims(chosen, axis), axis).squeeze(axis)
    if not (lost <= tie * np.abs(expected).max()).all():
        return 0.0
    return float((chosen == expected.argmax(axis)).mean())


def _all_ties(
    logits: Array, axes: Axes, pixels: Array, ours: UInt8, theirs: Array, output: Array, labels: bool
) -> bool:
    """Whether at all these pixels both classes have the same value within rounding, before the tail or behind it."""
    tie = FP16_TIE if output.dtype == np.float16 else TIE
    rows, v, columns, u = axes
    y, x = pixels.T
    one, other = ours[y, x].astype(int), theirs[y, x].astype(int)

    def at(row: Array, column: Array) -> Array:
        corner: Array = logits[row, column].astype(np.float64)
        index = np.arange(len(pixels))
        gap: Array = corner[index, one] - corner[index, other]
        return gap

    top, left = rows[y], columns[x]
    bottom, right = np.minimum(top + 1, len(logits) - 1), np.minimum(left + 1, logits.shape[1] - 1)
    down, across = v[y].astype(np.float64), u[x].astype(np.float64)
    gap = (1 - down) * ((1 - across) * at(top, left) + across * at(top, right))
    gap += down * ((1 - across) * at(bottom, left) + across * at(bottom, right))
    same = np.abs(gap) <= tie * np.abs(logits).max()
    if not labels:
        values = output.astype(np.float64)
        same |= values[y, x, other] - values[y, x, one] <= tie * np.abs(values).max()
    return bool(same.all())


def proven(shares: list[float]) -> bool:
    """Whether shares of `share_equal` are enough to replace a network's operators."""
    return min(shares) >= LEAST_EQUAL
