"""Weights of which files in published formats are made."""

import pytest
import torch

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import untrained


@pytest.fixture(scope="module")
def source():
    """A quarter-width ICNet whose batch norms are not the identity."""
    checkpoint = untrained(load_classes("cityscapes"), width=0.25, seed=3)
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for key, value in checkpoint.weights.items():
        if key.endswith("running_var"):
            weights[key] = 0.5 + torch.rand(value.shape, generator=generator)
        elif value.is_floating_point() and value.ndim == 1:
            weights[key] = value + 0.1 * torch.randn(value.shape, generator=generator)
        else:
            weights[key] = value
    return weights
