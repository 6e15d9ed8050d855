"""Depth pruning: networks without some of their residual blocks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint, build_network
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.training.errors import RecipeError


def without_blocks(checkpoint: Checkpoint, blocks: Sequence[int]) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Leave out the last residual blocks of the stages of an ICNet; returns ModelSpec and state dict.

    blocks: how many stay in the stages res2 to res5. The others keep their weights: a residual block changes its input
    little, and what is lost comes back by retraining. Raises RecipeError.
    """
    had = checkpoint.spec.blocks
    if checkpoint.spec.architecture != "icnet":
        raise RecipeError(
            f"{checkpoint.name} is a {checkpoint.spec.architecture}: only the blocks of an icnet are left out"
        )
    if (
        len(blocks) != len(had)
        or any(now > before for now, before in zip(blocks, had, strict=False))
        or tuple(blocks) == had
    ):
        raise RecipeError(f"{checkpoint.name} has {had} blocks in its stages: {tuple(blocks)} are not fewer")
    try:
        spec = replace(checkpoint.spec, blocks=cast("tuple[int, int, int, int]", tuple(blocks)))
    except CheckpointError as err:
        raise RecipeError(str(err)) from err
    return spec, {name: checkpoint.weights[name] for name in build_network(spec).state_dict()}
