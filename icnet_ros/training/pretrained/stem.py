"""Convert ResNet's 7x7 stem to ICNet's three 3x3 convolutions, as input of the pretrained stages.

Nine 3x3 windows two pixels apart cover 7x7 pixels. The first convolution passes on the 27 values of its
window, the second computes the 7x7 responses, the third applies their batch norm: exact at full width away
from the border. Narrower stems keep the principal components.
"""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.files import check_regular
from icnet_ros.network.dimensions import BN_EPSILON
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.layers import ConvBN, every_second
from icnet_ros.network.pspnet import PSPNet50

# Offset in standard deviations that keeps values positive, so that a ReLU does not change them.
RELU_OFFSET = 5.0


@torch.no_grad()
def rewrite_stem(network: ICNet | PSPNet50, path: Path, images: Tensor) -> None:
    """Set the weights of the stem to compute conv1, bn1 and ReLU of the ResNet-50 in `path`.

    images: a few normalised images, float (N, 3, H, W); their statistics scale the layers.
    Output channel i is ResNet's i (modulo 64), as `load_backbone` expects. Raises CheckpointError.
    """
    try:
        source = {key: value.float().to(images.device) for key, value in load_file(check_regular(path)).items()}
        scale = source["bn1.weight"] / torch.sqrt(source["bn1.running_var"] + BN_EPSILON)
        shift = source["bn1.bias"] - source["bn1.running_mean"] * scale
        kernel = source["conv1.weight"] * scale[:, None, None, None]
    except (OSError, SafetensorError, KeyError) as err:
        raise CheckpointError(f"{path}: holds no ResNet-50 stem: {err}") from err
    first, second, third = (cast("ConvBN", layer) for layer in network.stem)
    x = every_second(images) if isinstance(network, ICNet) else images
    expected = F.conv2d(x, kernel, stride=2, padding=3)

    basis = _principal(F.unfold(x, 3, padding=1, stride=2), first.conv.out_channels)  # (27, c)
    y, deviation = _pass_on(first, x, basis.T.reshape(-1, 3, 3, 3))

    count = torch.tensor([1, 1, 2, 1, 2, 1, 1], device=x.device)  # of windows that contain a row or column
    windows = (kernel / count / count[:, None]).unfold(2, 3, 2).unfold(3, 3, 2)  # (64, 3, 3, 3, 3, 3): o, i, a, b, h, w
    responses = torch.einsum("oiabhw,ihwc->ocab", windows, (basis * deviation).reshape(3, 3, 3, -1))
    basis = _principal(F.conv2d(y[:, : responses.shape[1]], responses, padding=1).flatten(2), second.conv.out_channels)
    z, deviation = _pass_on(second, y, torch.einsum("oc,oiab->ciab", basis, responses))

    resnet_channels = torch.arange(third.conv.out_channels, device=x.device) % len(kernel)
    third.conv.weight.zero_()
    third.conv.weight[:, : basis.shape[1], 1, 1] = (basis * deviation)[resnet_channels]
    inner = (..., slice(2, -2), slice(2, -2))  # zero padding at the border lacks the offset
    q = third.conv(z)[inner]
    _normalise(third, q, expected[inner].mean((0, 2, 3))[resnet_channels] + shift[resnet_channels])
    _norm(third).weight.copy_(q.std((0, 2, 3)))


def _principal(values: Tensor, count: int) -> Tensor:
    """The first principal components of (N, K, L) values, as columns: (K, at most `count`)."""
    covariance = torch.cov(values.transpose(0, 1).flatten(1))
    directions: Tensor = torch.linalg.eigh(covariance).eigenvectors
    return directions.flip(1)[:, :count]


def _pass_on(layer: ConvBN, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Set the first channels of `layer` to compute `weight`, scaled to variance 1 and shifted by RELU_OFFSET.

    The other channels keep their initialisation. Returns the output of the layer and the standard deviations
    before scaling.
    """
    count, inputs = weight.shape[:2]
    layer.conv.weight[:count] = 0
    layer.conv.weight[:count, :inputs] = weight
    raw = layer.conv(x)
    _normalise(layer, raw, torch.full_like(raw[0, :, 0, 0], RELU_OFFSET))
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
