"""Weight averaging of checkpoints (Wortsman et al., Model soups, 2022)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.training.start import LOGIT_SHIFT, join_licences, shift_of

# What the checkpoints must have in common: their tensors have to mean the same.
EQUAL = (
    "classes",
    "architecture",
    "width",
    "exits",
    "windows",
    "channel_order",
    "mean",
    "std",
    "fusion",
    "blocks",
    "widths",
    "stride_at",
    "output_stride",
    "head",
    "align_corners",
    "input_scale",
    "frame_height",
    "size_multiple",
)


def average(checkpoints: Sequence[Checkpoint], shares: Sequence[float]) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Spec and weights of the weighted mean; shares: positive, normalised to a sum of 1.

    Only checkpoints of one training, or trained from the same one, average well. The spec is that of the first; its
    metrics are empty, as those of the parts do not hold. Raises CheckpointError if the checkpoints do not fit.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        for name in EQUAL:
            if getattr(other.spec, name) != getattr(first.spec, name):
                raise CheckpointError(f"{other.name} differs from {first.name} in {name}: they cannot be averaged")
    total = sum(shares)
    if not all(share > 0 for share in shares):
        raise CheckpointError("the shares of an average must be positive")
    weights: dict[str, Tensor] = {}
    for key, value in first.weights.items():
        if not value.is_floating_point():  # counters of batch norms
            weights[key] = value
            continue
        mean = sum(share / total * one.weights[key].double() for share, one in zip(shares, checkpoints, strict=True))
        assert isinstance(mean, Tensor)
        weights[key] = mean.float()
    averaged: list[dict[str, Any]] = [
        {"share": round(share / total, 6), "name": one.name, "sha256": one.sha256}
        for share, one in zip(shares, checkpoints, strict=True)
    ]
    licence = join_licences([one.spec.data_licence for one in checkpoints])
    training = {**first.spec.training, "averaged": averaged}
    shift = np.average([shift_of(one) for one in checkpoints], 0, shares)
    if shift.any():
        training[LOGIT_SHIFT] = shift.round(6).tolist()
    return replace(first.spec, training=training, metrics={}, data_licence=licence), weights
