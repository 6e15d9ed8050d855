"""Networks for inference: batch norm folded into the convolutions, as in all timings of the paper, and cheap order."""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from icnet_ros.network.icnet import ICNet
from icnet_ros.network.layers import ConvBN, DeconvBN

M = TypeVar("M", bound=nn.Module)


def fold_batch_norm(module: M) -> M:
    """A copy for inference without batch norm, equal in evaluation mode up to float rounding."""
    folded = copy.deepcopy(module).eval()
    for child in folded.modules():
        if isinstance(child, (ConvBN, DeconvBN)) and isinstance(child.bn, nn.BatchNorm2d):
            child.conv = fuse_conv_bn_eval(child.conv, child.bn, transpose=isinstance(child, DeconvBN))
            child.bn = nn.Identity()
    return folded.requires_grad_(False)


def for_inference(module: M) -> M:
    """A copy without batch norm that classifies before the last resize; equal up to float rounding, and faster."""
    folded = fold_batch_norm(module)
    for child in folded.modules():
        if isinstance(child, ICNet):
            child.classify_first = True
    return folded
