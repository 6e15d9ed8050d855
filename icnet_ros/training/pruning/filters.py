"""Filter pruning by l1 norm (Li et al., 2017, the paper's [41])."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from icnet_ros.checkpoint.file import Checkpoint, build_network
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.network.dimensions import BN_EPSILON
from icnet_ros.network.wiring import wires
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.pretrained.backbone import largest_indices


def pruned(
    checkpoint: Checkpoint, width: float, widths: Mapping[str, float] = MappingProxyType({})
) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Prune to `width`, keeping the filters with the largest l1 norm; returns ModelSpec and state dict.

    widths: of the parts of an ICNet that shall differ from it, each less than before.

    The norm is that of the deployed filter, with its batch norm folded in. Layers that are summed keep the
    same channels, those with the largest sum of norms. Batch norm statistics are not updated: retrain.
    Raises RecipeError for a width that is not smaller.
    """
    spec, slim = narrower(checkpoint, width, widths)
    wide = checkpoint.network()
    weights, scores = wide.state_dict(), _scores(wide)
    strong: dict[str, Tensor] = {}
    for wire in wires(wide):
        if wire.writes:
            count = slim[f"{wire.layer}.bn.weight"].numel()
            strong[wire.writes] = largest_indices(scores[wire.writes], count)
    for wire in wires(wide):
        name, filters = _convolution(wide, wire.layer)
        kernel, inputs = weights[f"{name}.weight"], torch.arange(0)
        for group in wire.reads:  # concatenated: the channels of each follow those of the one before
            start = sum(len(scores[before]) for before in wire.reads[: wire.reads.index(group)])
            inputs = torch.cat([inputs, strong[group] + start])
        if wire.reads:
            kernel = kernel.index_select(1 - filters, inputs)
        if wire.writes:
            kernel = kernel.index_select(filters, strong[wire.writes])
            for norm in ("weight", "bias", "running_mean", "running_var"):
                slim[f"{wire.layer}.bn.{norm}"] = weights[f"{wire.layer}.bn.{norm}"][strong[wire.writes]]
        slim[f"{name}.weight"] = kernel
        if f"{name}.bias" in weights:
            slim[f"{name}.bias"] = weights[f"{name}.bias"]
    return spec, slim


def narrower(
    checkpoint: Checkpoint, width: float, widths: Mapping[str, float] = MappingProxyType({})
) -> tuple[ModelSpec, dict[str, Tensor]]:
    """ModelSpec and initial state dict of the network at smaller widths. Raises RecipeError if it cannot have those."""
    had = checkpoint.spec
    if not 0 < width <= had.width or (width == had.width and not widths):
        raise RecipeError(f"{checkpoint.name} has width {had.width:g}: prune to less, not to {width:g}")
    for part, narrow in widths.items():
        if narrow >= had.widths.get(part, had.width):
            before = had.widths.get(part, had.width)
            raise RecipeError(f"{part} of {checkpoint.name} has width {before:g}: prune to less, not to {narrow:g}")
    kept = {part: wide for part, wide in had.widths.items() if wide < width}
    try:
        spec = replace(had, width=width, widths={**kept, **widths})
        return spec, build_network(spec).state_dict()
    except ValueError as err:
        raise RecipeError(str(err)) from err


def width_schedule(start: float, end: float, steps: int) -> list[float]:
    """Evenly spaced widths below `start`, down to `end`; multiples of 1/64, so that channel counts are integers.

    Fewer than `steps` if there are not so many multiples.
    """
    between = [round((start + (end - start) * step / steps) * 64) / 64 for step in range(1, steps)]
    return [width for width in dict.fromkeys(between) if end < width < start] + [end]


def _scores(network: nn.Module) -> dict[str, Tensor]:
    """l1 norms of the filters, by channel group."""
    weights = network.state_dict()
    scores: dict[str, Tensor] = {}
    for wire in wires(network):
        if wire.writes:
            name, filters = _convolution(network, wire.layer)
            norms = weights[f"{name}.weight"].abs().sum((1 - filters, 2, 3))
            deviation = torch.sqrt(weights[f"{wire.layer}.bn.running_var"] + BN_EPSILON)
            norms = norms * weights[f"{wire.layer}.bn.weight"].abs() / deviation
            scores[wire.writes] = scores[wire.writes] + norms if wire.writes in scores else norms
    return scores


def _convolution(network: nn.Module, layer: str) -> tuple[str, int]:
    """Name of the convolution of a layer, and the axis of its kernel that indexes the filters."""
    module = network.get_submodule(layer)
    name = layer if isinstance(module, nn.Conv2d) else f"{layer}.conv"
    return name, int(isinstance(network.get_submodule(name), nn.ConvTranspose2d))
