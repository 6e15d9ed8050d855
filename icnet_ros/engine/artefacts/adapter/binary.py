"""Networks of two classes with one channel: its value says how much a pixel belongs to class 1, class 0 is the rest.

They become networks with a channel for each class. Logits x become [-x/2, x/2], whose softmax is the sigmoid of x;
probabilities p become [1 - p, p].
"""

from typing import Literal

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.artefacts.adapter.meaning import rounding_of
from icnet_ros.engine.base import EngineError

OneChannel = Literal["logits", "sigmoid"]
FACTORS: dict[OneChannel, tuple[float, float]] = {"logits": (-0.5, 0.5), "sigmoid": (-1.0, 1.0)}
OFFSETS: dict[OneChannel, tuple[float, float]] = {"logits": (0.0, 0.0), "sigmoid": (1.0, 0.0)}


def kind_of_channel(source: str, values: Array, stated: str | None) -> OneChannel:
    """What a channel's values are. stated: `output_kind`, None if it is not stated. source: for errors.

    Raises EngineError for values that are not what is stated, or that are the same everywhere.
    """
    if not np.isfinite(values).all():
        raise EngineError(f"{source}: it gives NaN or infinity for a picture of noise")
    lowest, highest = float(values.min()), float(values.max())
    found = f"its one channel gives {lowest:.3g} to {highest:.3g} for a picture of noise"
    if lowest == highest:
        raise EngineError(
            f"{source}: {found}: the same everywhere, as a softmax of one channel does. Export the value before it"
        )
    rounding = rounding_of(values)
    unit = lowest >= -rounding and highest <= 1 + rounding
    if stated in ("sigmoid", "probabilities") and not unit:
        raise EngineError(f"{source}: output_kind is {stated}, but {found}, not 0 to 1: take output_kind: logits")
    if stated == "logits" and unit:
        raise EngineError(
            f"{source}: output_kind is logits, but {found}: as logits no pixel would be class 0. Take output_kind: "
            "sigmoid"
        )
    return "sigmoid" if unit else "logits"


def two_classes(values: Array, kind: OneChannel) -> Array:
    """(h, w, 1) -> (h, w, 2) of the same type."""
    factors, offsets = (np.array(table[kind], np.float32) for table in (FACTORS, OFFSETS))
    both: Array = (values.astype(np.float32) * factors + offsets).astype(values.dtype)
    return both
