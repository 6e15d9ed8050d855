"""Layers of a published network: a convolution with its bias and batch norm, whatever file they come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.network.dimensions import BN_EPSILON

Array = npt.NDArray[Any]
BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # of each residual stage
HEADS = {"sub4": "aux16", "sub24": "aux8", "sub124": "cls"}


@dataclass(frozen=True)
class BatchNorm:
    """Each (C,). variance: not the standard deviation."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array


@dataclass(frozen=True)
class Unit:
    """weight: (outputs, inputs, height, width). bias: (outputs,). norm: None if it is merged into the convolution."""

    weight: Array
    bias: Array | None = None
    norm: BatchNorm | None = None


def layer_names() -> list[str]:
    """Names of the convolutions of an ICNet, without its heads, as `network.icnet.ICNet` calls them."""
    names = [f"{part}.{number}" for part in ("stem", "hi") for number in (1, 2, 3)]
    for stage, blocks in BLOCKS.items():
        for block in range(1, blocks + 1):
            parts = ("reduce", "conv3", "increase", "proj")[: 4 if block == 1 else 3]
            names += [f"res{stage}.{block}.{part}" for part in parts]
    return [*names, "k1", "cff24.low", "cff24.high", "cff12.low", "cff12.high"]


def name_layers(fixed: Mapping[str, str], residual: Callable[[int, int, str], str]) -> dict[str, str]:
    """Layer of ICNet, without its heads -> its name in a file. residual: name by stage, block and part."""
    names = {}
    for layer in layer_names():
        if layer in fixed:
            names[layer] = fixed[layer]
        else:
            stage, block, part = layer.removeprefix("res").split(".")
            names[layer] = residual(int(stage), int(block), part)
    return names


def weights_of(units: Mapping[str, Unit]) -> dict[str, Array]:
    """Tensors of a checkpoint, by name. units: by `layer_names` and the heads that there are.

    A merged batch norm becomes one that only adds the bias.
    """
    weights: dict[str, Array] = {}
    for name, unit in units.items():
        if name in HEADS.values():
            bias = np.zeros(len(unit.weight), np.float32) if unit.bias is None else unit.bias
            weights |= {f"{name}.weight": unit.weight, f"{name}.bias": bias}
            continue
        count = len(unit.weight)
        zeros, ones = np.zeros(count), np.ones(count)
        norm = unit.norm
        if norm is None:
            bias = zeros if unit.bias is None else unit.bias
            norm = BatchNorm(ones, bias, zeros, ones - BN_EPSILON)
        elif unit.bias is not None:
            norm = BatchNorm(norm.gamma, norm.beta, norm.mean - unit.bias, norm.variance)
        weights |= {
            f"{name}.conv.weight": unit.weight,
            f"{name}.bn.weight": norm.gamma,
            f"{name}.bn.bias": norm.beta,
            f"{name}.bn.running_mean": norm.mean,
            f"{name}.bn.running_var": norm.variance,
        }
    # Copies: arrays from files are read-only views.
    return {name: np.array(value, np.float32, order="C") for name, value in weights.items()}


def missing(names: list[str], source: str) -> CheckpointError:
    """The error for layers that a file lacks."""
    return CheckpointError(f"{source}: lacks {len(names)} layers of ICNet, first {names[0]!r}")
