"""ResNet's 7x7 stem written as ICNet's three 3x3 convolutions, so that pretrained stages see what they know.

A 3x3 window of 3x3 windows two pixels apart covers exactly 7x7 pixels. So the first convolution passes
its 27 values on, the second computes the 7x7 responses, the third finishes them: exact at full width
away from the border. Narrower stems carry the principal components.
"""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.layers import BN_EPSILON, ConvBN, halve
from icnet_ros.network.pspnet import PSPNet50

# Standard deviations by which a value is raised to pass a ReLU unchanged.
RAISED = 5.0


@torch.no_grad()
def rewrite_stem(network: ICNet | PSPNet50, path: Path, images: Tensor) -> None:
    """Give the stem the function of conv1, bn1, ReLU of the ResNet-50 in `path`.

    images: a few normalised ones, float (N, 3, H, W): their statistics scale the layers.
    Output channel i is ResNet's i (modulo 64), as `load_backbone` wires them. Raises CheckpointError.
    """
    try:
        source = {key: value.float().to(images.device) for key, value in load_file(path).items()}
        scale = source["bn1.weight"] / torch.sqrt(source["bn1.running_var"] + BN_EPSILON)
        shift = source["bn1.bias"] - source["bn1.running_mean"] * scale
        kernel = source["conv1.weight"] * scale[:, None, None, None]
    except (OSError, SafetensorError, KeyError) as err:
        raise CheckpointError(f"{path}: holds no ResNet-50 stem: {err}") from err
    first, second, third = (cast("ConvBN", layer) for layer in network.stem)
    x = halve(images) if isinstance(network, ICNet) else images
    true = F.conv2d(x, kernel, stride=2, padding=3)

    basis = _principal(F.unfold(x, 3, padding=1, stride=2), first.conv.out_channels)  # (27, c)
    y, deviation = _pass_on(first, x, basis.T.reshape(-1, 3, 3, 3))

    seen = torch.tensor([1, 1, 2, 1, 2, 1, 1], device=x.device)  # windows that hold a row or column
    windows = (kernel / seen / seen[:, None]).unfold(2, 3, 2).unfold(3, 3, 2)  # (64, 3, 3, 3, 3, 3): o, i, a, b, h, w
    responses = torch.einsum("oiabhw,ihwc->ocab", windows, (basis * deviation).reshape(3, 3, 3, -1))
    basis = _principal(F.conv2d(y[:, : responses.shape[1]], responses, padding=1).flatten(2), second.conv.out_channels)
    z, deviation = _pass_on(second, y, torch.einsum("oc,oiab->ciab", basis, responses))

    wired = torch.arange(third.conv.out_channels, device=x.device) % len(kernel)
    third.conv.weight.zero_()
    third.conv.weight[:, : basis.shape[1], 1, 1] = (basis * deviation)[wired]
    inner = (..., slice(2, -2), slice(2, -2))  # the border sees zeros where raised values would be
    q = third.conv(z)[inner]
    _normalise(third, q, true[inner].mean((0, 2, 3))[wired] + shift[wired])
    _norm(third).weight.copy_(q.std((0, 2, 3)))


def _principal(values: Tensor, count: int) -> Tensor:
    """The first principal components of (N, K, L) values, as columns: (K, at most `count`)."""
    covariance = torch.cov(values.transpose(0, 1).flatten(1))
    directions: Tensor = torch.linalg.eigh(covariance).eigenvectors
    return directions.flip(1)[:, :count]


def _pass_on(layer: ConvBN, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Let the first channels of `layer` compute `weight`, each to variance 1 and raised above the ReLU.

    Channels beyond keep their initialisation. Gives the layer's output, and the deviations undone.
    """
    count, inputs = weight.shape[:2]
    layer.conv.weight[:count] = 0
    layer.conv.weight[:count, :inputs] = weight
    raw = layer.conv(x)
    _normalise(layer, raw, torch.full_like(raw[0, :, 0, 0], RAISED))
    norm = _norm(layer)
    norm.bias[count:] = 0
    y = F.relu(F.batch_norm(raw, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=BN_EPSILON))
    return y, raw.std((0, 2, 3))[:count]


def _normalise(layer: ConvBN, raw: Tensor, bias: Tensor) -> None:
    norm = _norm(layer)
    norm.load_state_dict(norm.state_dict() | {"running_mean": raw.mean((0, 2, 3)), "running_var": raw.var((0, 2, 3))})
    norm.bias.copy_(bias)


def _norm(layer: ConvBN) -> nn.BatchNorm2d:
    return cast("nn.BatchNorm2d", layer.bn)
