"""Start from an ImageNet ResNet-50, at any width."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.files import check_regular
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.pspnet import PSPNet50


def load_backbone(network: ICNet | PSPNet50, path: Path) -> None:
    """Copy a ResNet-50 trunk (keys "layer1.0.conv1.weight", ... of torchvision) into stages 2 to 5.

    A narrower network keeps the filters with the largest l1 norm. Residual sums need the same channels,
    so the output channels of a stage are chosen once, by the scales of the batch norms before the sums.
    The stem is not copied: see `stem.rewrite_stem`.
    Raises CheckpointError.
    """
    try:
        source = {key: value.float() for key, value in load_file(check_regular(path)).items()}
    except (OSError, SafetensorError) as err:
        hint = "; how to convert a .pth file: docs/training.md" if path.suffix in (".pth", ".pt") else ""
        raise CheckpointError(f"{path}: not a readable safetensors file ({err}){hint}") from err
    state = network.state_dict()
    try:
        # A stem wider than ResNet's repeats its channels, so the weights that read them are scaled down.
        old, new = source["layer1.0.conv1.weight"].shape[1], state["res2.1.reduce.conv.weight"].shape[1]
        stream = torch.arange(new) % old
        for name in ("conv1", "downsample.0"):
            source[f"layer1.0.{name}.weight"] *= min(1.0, old / new)
        for layer in range(1, 5):
            stream = _copy_stage(state, source, layer, len(getattr(network, f"res{layer + 1}")), stream)
    except (KeyError, RuntimeError, IndexError) as err:
        raise CheckpointError(f"{path}: not a ResNet-50 trunk this network can start from: {err}") from err


def _copy_stage(state: dict[str, Tensor], source: dict[str, Tensor], layer: int, blocks: int, stream: Tensor) -> Tensor:
    """Copy one stage with input channels `stream`; returns the indices of its output channels."""
    first = f"layer{layer}.0"
    width = state[f"res{layer + 1}.1.increase.bn.weight"].numel()
    norm_scales = [source[f"{first}.downsample.1.weight"]] + [
        source[f"layer{layer}.{block}.bn3.weight"] for block in range(blocks)
    ]
    outputs = largest_indices(torch.stack(norm_scales).abs().sum(0), width)
    for block in range(blocks):
        ours, theirs = f"res{layer + 1}.{block + 1}", f"layer{layer}.{block}"
        inputs = stream if block == 0 else outputs
        middle = state[f"{ours}.reduce.bn.weight"].numel()
        reduce = source[f"{theirs}.conv1.weight"][:, inputs]
        first_kept = largest_indices(reduce.abs().sum((1, 2, 3)), middle)
        conv3 = source[f"{theirs}.conv2.weight"][:, first_kept]
        second_kept = largest_indices(conv3.abs().sum((1, 2, 3)), middle)
        increase = source[f"{theirs}.conv3.weight"][:, second_kept]
        _copy(state, f"{ours}.reduce", reduce, source, f"{theirs}.bn1", first_kept)
        _copy(state, f"{ours}.conv3", conv3, source, f"{theirs}.bn2", second_kept)
        _copy(state, f"{ours}.increase", increase, source, f"{theirs}.bn3", outputs)
        if block == 0:
            shortcut = source[f"{theirs}.downsample.0.weight"][:, inputs]
            _copy(state, f"{ours}.proj", shortcut, source, f"{theirs}.downsample.1", outputs)
    return outputs


def largest_indices(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` largest scores, ascending."""
    return scores.topk(count).indices.sort().values


def _copy(
    state: dict[str, Tensor], ours: str, weight: Tensor, source: dict[str, Tensor], norm: str, chosen: Tensor
) -> None:
    state[f"{ours}.conv.weight"].copy_(weight[chosen])
    for name in ("weight", "bias", "running_mean", "running_var"):
        state[f"{ours}.bn.{name}"].copy_(source[f"{norm}.{name}"][chosen])
