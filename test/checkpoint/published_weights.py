"""What an imported network gives, compared with what it was made from."""

import struct

import numpy as np
import torch

from icnet_ros.checkpoint.published.caffe import HEADS as CAFFE_HEADS
from icnet_ros.checkpoint.published.caffe import caffe_names
from icnet_ros.network.icnet import ICNet

ROLES = ("weight", "bias", "running_mean", "running_var")


def logits(weights, exits=("sub4", "sub24", "sub124"), stride_at="reduce", size=(64, 96)):
    network = ICNet(19, 0.25, exits, stride_at=stride_at).eval()
    network.load_state_dict({key: weights[key] for key in network.state_dict()})
    image = 50 * torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return [one.numpy() for one in network(image)]


def same(imported, expected):
    spec = imported.checkpoint.spec
    given = logits(imported.checkpoint.weights, spec.exits, spec.stride_at)
    for ours, theirs in zip(given, expected, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def norm(weights, name):
    return [weights[f"{name}.bn.{role}"].numpy() for role in ROLES]


# -- Caffe: the wire format is written by hand, as protobuf describes it


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def chunk(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def blob(array, *, legacy=False, packed=True):
    values = np.asarray(array, "<f4")
    if packed:
        data = chunk(5, values.tobytes())
    else:
        data = b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in values.ravel())
    if legacy:
        sides = (1,) * (4 - values.ndim) + values.shape
        return b"".join(varint(number << 3) + varint(side) for number, side in enumerate(sides, 1)) + data
    return chunk(7, chunk(1, b"".join(map(varint, values.shape)))) + data


def layer(name, *arrays, **how):
    kind = chunk(2, b"ConvolutionData")  # an internal name in the published files
    return chunk(100, chunk(1, name.encode()) + kind + b"".join(chunk(7, blob(array, **how)) for array in arrays))


def caffemodel(weights, *, merged=False, heads=True, extra=b"", **how):
    content = chunk(1, b"icnet") + chunk(100, chunk(1, b"data"))
    for ours, name in caffe_names().items():
        conv = weights[f"{ours}.conv.weight"].numpy()
        gamma, beta, mean, variance = norm(weights, ours)
        if merged:
            factor = gamma / np.sqrt(variance + 1e-5)
            content += layer(name, conv * factor[:, None, None, None], beta - mean * factor, **how)
        else:
            content += layer(name, conv, **how)
            content += layer(
                f"{name}/bn", *(value.reshape(1, -1, 1, 1) for value in (gamma, beta, mean, variance)), **how
            )
    for ours, name in CAFFE_HEADS.items():
        if heads or ours == "cls":
            content += layer(name, weights[f"{ours}.weight"].numpy(), weights[f"{ours}.bias"].numpy(), **how)
    return content + extra
