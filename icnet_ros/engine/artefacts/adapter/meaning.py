"""What the values of a network's output are, judged by what it gives for a picture."""

import logging

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.base import EngineError

log = logging.getLogger(__name__)
ROUNDING = 1e-3  # by which probabilities may leave 0..1, and their sums 1
FP16_ROUNDING = 1e-2


def as_numbers(values: Array) -> Array:
    """Values with bool as uint8, which can be subtracted."""
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


def gives_labels(source: str, values: Array, stated: str | None) -> bool:
    """Whether an output is class ids: as `output_kind` states, else whole numbers, and always bool.

    values: as the network gave them. Raises EngineError for bool that is stated to be something else.
    """
    boolean = values.dtype == np.bool_
    if boolean and stated not in (None, "labels"):
        raise EngineError(f"{source}: output_kind is {stated}, but its output is bool, which is labels 0 and 1")
    return boolean or stated == "labels" or (stated is None and np.issubdtype(values.dtype, np.integer))


def kind_of(source: str, values: Array, axis: int, stated: str | None) -> str:
    """Whether values are "logits", "probabilities" or "sigmoid".

    axis: of the classes. stated: `output_kind`, None if it is not stated. source: of the network, for errors. Raises
    EngineError for values that are not what is stated, and for values in 0..1 that add up to something else, of which
    nobody can say what they are.
    """
    if not np.isfinite(values).all():
        masked = "; instead of -inf for classes that it never gives, take -1e4" if np.isneginf(values).any() else ""
        raise EngineError(f"{source}: it gives NaN or infinity for a picture of noise{masked}")
    rounding = rounding_of(values)
    values = values.astype(np.float64)
    lowest, highest, sums = values.min(), values.max(), values.sum(axis)
    unit = lowest >= -rounding and highest <= 1 + rounding
    one = bool(np.abs(sums - 1).max() <= rounding * max(1, values.shape[axis] / 10))
    found = f"values of {lowest:.3g} to {highest:.3g} with sums of {sums.min():.3g} to {sums.max():.3g}"
    if stated == "probabilities":
        if unit and one:
            return stated
        raise EngineError(
            f"{source}: output_kind is probabilities, but for a picture of noise it gives {found}: probabilities are "
            "0 to 1 and add up to 1. Take output_kind: logits or sigmoid"
        )
    if stated == "sigmoid":
        if unit:
            return stated
        raise EngineError(
            f"{source}: output_kind is sigmoid, but for a picture of noise it gives {found}, not 0 to 1: take "
            "output_kind: logits"
        )
    if stated == "logits":
        if unit and one:
            log.warning("%s: output_kind is logits, but its values look like probabilities (%s)", source, found)
        return stated
    if unit and one:
        return "probabilities"
    if unit and highest > lowest:
        raise EngineError(
            f"{source}: it gives {found} for a picture of noise: add output_kind to its .yaml, sigmoid for "
            "probabilities of classes that do not exclude each other, or logits"
        )
    return "logits"


def rounding_of(values: Array) -> float:
    """By which probabilities of this type may leave 0..1."""
    return FP16_ROUNDING if values.dtype == np.float16 else ROUNDING


def check_labels(source: str, labels: Array, classes: int) -> None:
    """Raise EngineError unless all are ids of classes."""
    values = labels.astype(np.float64)
    if not np.isfinite(values).all():
        raise EngineError(f"{source}: its labels are NaN or infinite for a picture of noise")
    if (broken := values[values != np.round(values)]).size:
        raise EngineError(
            f"{source}: output_kind is labels, but it gives {broken.flat[0]:.4g}, which is no whole number: take "
            "output_kind: logits or probabilities, or export with an argmax"
        )
    if (foreign := values[(values < 0) | (values >= classes)]).size:
        if classes == 2 and set(np.unique(values)) <= {0, 255}:
            raise EngineError(f"{source}: it gives a mask of 0 and 255: export it without the factor 255, or as bool")
        raise EngineError(
            f"{source}: it gives the label {foreign.flat[0]:g} for a picture of noise; the class table has "
            f"{classes} classes, 0 to {classes - 1}: name the table of this network, or export the logits"
        )
