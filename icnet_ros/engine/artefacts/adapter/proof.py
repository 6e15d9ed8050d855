"""Whether the engine's own tail gives the labels of the operators that it replaces."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.base import FrameError, UInt8
from icnet_ros.engine.kernels.coordinates import Axes, network_axes
from icnet_ros.engine.kernels.upsample import both_axes, label_map
from icnet_ros.engine.tail import Interpolation

if TYPE_CHECKING:
    import onnx

TIE, FP16_TIE = 1e-5, 5e-3  # difference of two values within rounding, relative to the largest value
LEAST_EQUAL, LEAST_EQUAL_FP16 = 0.9999, 0.998  # share of the labels; the rest must be such ties


class Agreement(NamedTuple):
    """Shares of the labels that two forms of a network give: those that are equal, those that differ beyond rounding.

    half: the network computes in fp16, so that many values lie within rounding.
    """

    equal: float
    other: float
    half: bool

    @property
    def proven(self) -> bool:
        """Whether one form may replace the other."""
        return not self.other and self.equal >= (LEAST_EQUAL_FP16 if self.half else LEAST_EQUAL)

    def __str__(self) -> str:
        return f"{self.equal:.2%} of the labels are the same, {self.other:.2%} differ beyond rounding"


NONE = Agreement(0.0, 1.0, half=False)


def worst(found: Iterable[Agreement]) -> Agreement:
    """The one that proves least."""
    return max(found, key=lambda one: (one.other, -one.equal))


def agreement(
    values: Array,
    interpolation: Interpolation | None,
    network: tuple[int, int],
    output: Array,
    *,
    labels: bool,
    half: bool,
) -> Agreement:
    """Of the labels that the engine computes with those of the network.

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
        return NONE
    theirs = output[..., 0] if labels else output.argmax(2)
    differing = np.argwhere(ours != theirs)
    tie = FP16_TIE if half else TIE
    ties = _ties(logits, axes, differing, ours, theirs, output, labels, tie).sum() if len(differing) else 0
    return Agreement(1 - len(differing) / ours.size, float(len(differing) - ties) / ours.size, half)


def agreement_of_order(expected: Array, actual: Array, axis: int | None, *, half: bool) -> Agreement:
    """Of the classes with the largest value. axis: that of the classes; None: the values are labels."""
    if expected.shape != actual.shape or not np.isfinite(actual.astype(np.float64)).all():
        return NONE
    if axis is None:
        equal = float((expected == actual).mean())
        return Agreement(equal, 1 - equal, half)
    tie = FP16_TIE if half else TIE
    chosen = actual.argmax(axis)
    lost = expected.max(axis) - np.take_along_axis(expected, np.expand_dims(chosen, axis), axis).squeeze(axis)
    other = float((lost > tie * np.abs(expected).max()).mean())
    return Agreement(float((chosen == expected.argmax(axis)).mean()), other, half)


def is_half(model: "onnx.ModelProto") -> bool:
    """Whether weights of the network are fp16, or its output."""
    import onnx

    constants = [one.t for node in model.graph.node if node.op_type == "Constant" for one in node.attribute]
    types = {one.data_type for one in (*model.graph.initializer, *constants)}
    types |= {one.type.tensor_type.elem_type for one in model.graph.output}
    return onnx.TensorProto.FLOAT16 in types


def _ties(
    logits: Array, axes: Axes, pixels: Array, ours: UInt8, theirs: Array, output: Array, labels: bool, tie: float
) -> npt.NDArray[np.bool_]:
    """At which of these pixels both classes have the same value within rounding, before the tail or behind it."""
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
    same: npt.NDArray[np.bool_] = np.abs(gap) <= tie * np.abs(logits).max()
    if not labels:
        values = output.astype(np.float64)
        same |= values[y, x, other] - values[y, x, one] <= tie * np.abs(values).max()
    return same
