"""Cost of a network without running it: parameters and multiply-accumulates."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(module: nn.Module) -> int:
    """Number of trainable parameters; running statistics of batch norm are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def conv_macs(module: nn.Module, height: int, width: int) -> int:
    """Multiply-accumulates of all convolutions for one (height, width) image, on the meta device."""
    with torch.device("meta"):
        image = torch.empty(1, 3, height, width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(module).to("meta").eval()(image)
    return int(counter.get_total_flops()) // 2
