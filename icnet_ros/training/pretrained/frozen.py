"""Layers that keep their initial weights: `frozen` of a recipe."""

from collections.abc import Iterator

from torch import nn

from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.start import Start

BACKBONE = ("stem", "res2", "res3", "res4", "res5")  # the ResNet of all architectures


def frozen_layers(recipe: Recipe) -> tuple[str, ...]:
    """Names of the modules whose weights and batch norm statistics do not change."""
    return BACKBONE if recipe.frozen == "backbone" else ()


def freeze(network: nn.Module, recipe: Recipe, start: Start) -> None:
    """Take the frozen layers out of the gradient. Raises RecipeError if their weights would be random."""
    layers = frozen_layers(recipe)
    if layers and start.backbone is None and not start.weights:
        raise RecipeError(f"frozen: {recipe.frozen} keeps initial weights; there are none: give --init or --backbone")
    for name in layers:
        network.get_submodule(name).requires_grad_(requires_grad=False)


def set_training(model: nn.Module, network: nn.Module, recipe: Recipe) -> None:
    """Training mode of `model`, which wraps `network`; batch norms of frozen layers use and keep their statistics."""
    model.train()
    for name in frozen_layers(recipe):
        network.get_submodule(name).eval()


def trained_parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters that the optimiser changes."""
    return ((name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad)


def averaged(network: nn.Module, recipe: Recipe) -> list[str]:
    """Entries of the state dict that have a moving average: an average of constants would collect rounding errors."""
    frozen = frozen_layers(recipe)
    values = network.state_dict().items()
    return [key for key, value in values if value.is_floating_point() and key.split(".")[0] not in frozen]
