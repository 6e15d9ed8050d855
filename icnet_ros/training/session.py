"""What every training of the command line begins with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.dataset.base import Dataset
from icnet_ros.dataset.table import open_dataset
from icnet_ros.training.recipe import Recipe


def open_fabric(accelerator: str, devices: int, nodes: int, precision: str) -> Fabric:
    """The processes of a training: those of torchrun, or as many as `devices` says."""
    kind: Any = precision
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=kind)
    fabric.launch()
    return fabric


def open_data(recipe: Recipe, root: Path) -> tuple[Dataset, Dataset]:
    """Splits "train" and "val" of the recipe's dataset. Raises DatasetError."""
    return open_dataset(recipe.dataset, root, "train"), open_dataset(recipe.dataset, root, "val")


def like(checkpoint: Checkpoint, recipe: Recipe) -> Recipe:
    """The recipe for a network of the same kind and width as `checkpoint`."""
    spec = checkpoint.spec
    return replace(
        recipe,
        architecture=spec.architecture,
        width=spec.width,
        fusion=spec.fusion,
        output_stride=spec.output_stride,
        head=spec.head,
    )
