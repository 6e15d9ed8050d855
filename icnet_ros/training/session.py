"""Setup shared by the training commands."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.dataset.base import Dataset
from icnet_ros.dataset.table import open_dataset
from icnet_ros.replay.folder_lock import locked
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.start import check_trainable

PRECISIONS = ("32-true", "bf16-mixed")


def open_fabric(accelerator: str, devices: int, nodes: int, precision: str) -> Fabric:
    """Launch the training processes: those of torchrun, or `devices` processes on this machine.

    Raises RecipeError for a precision or device that cannot be used.
    """
    if precision not in PRECISIONS:
        raise RecipeError(f"precision is {precision!r}, trainings take {' or '.join(PRECISIONS)}")
    kind: Any = precision
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=kind)
        fabric.launch()
    except (RuntimeError, ValueError, ImportError) as err:
        raise RecipeError(f"cannot train on {devices} x {accelerator} with {precision}: {err}") from err
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != fabric.world_size:
        raise RecipeError(
            f"{started} processes were started for a training of {fabric.world_size}: add --devices with the number of "
            "processes on each machine, and --nodes with that of the machines"
        )
    return fabric


def open_data(recipe: Recipe, data: str, root: Path | None, without: Sequence[str] = ()) -> tuple[Dataset, Dataset]:
    """Splits "train" and "val" (each image once) of `data`, the recipe's dataset if that is empty, see `open_dataset`.

    without: sources that are left out of the training split. Raises RecipeError, DatasetError.
    """
    name = data or recipe.dataset
    if not name:
        raise RecipeError("the recipe names no dataset: give --data, a dataset.yaml or the name of a dataset")
    train, validation = (open_dataset(name, root, split) for split in ("train", "val"))
    return train.select_sources(without=without), validation.subsample(0)


@dataclass(frozen=True)
class Session:
    """What a training command trains, on what, with which processes."""

    recipe: Recipe
    data: Dataset
    validation: Dataset
    fabric: Fabric

    @property
    def hidden(self) -> bool:
        """Whether this process prints nothing: only the first of several does."""
        return bool(self.fabric.global_rank > 0)

    def holding(self, folder: Path) -> AbstractContextManager[None]:
        """No other training writes into `folder` meanwhile. Raises WireError if one does."""
        return nullcontext() if self.hidden else locked(folder)


@dataclass(frozen=True)
class Hardware:
    """Where to train, see `open_fabric`."""

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"


def open_session(
    recipe: Recipe, data: str, root: Path | None, hardware: Hardware, without: Sequence[str] = ()
) -> Session:
    """Open the data and start the processes; see `open_data`, `open_fabric`."""
    train, validation = open_data(recipe, data, root, without)
    fabric = open_fabric(hardware.accelerator, hardware.devices, hardware.nodes, hardware.precision)
    return Session(recipe, train, validation, fabric)


def recipe_for(checkpoint: Checkpoint, recipe: Recipe) -> Recipe:
    """The recipe with the architecture and width of `checkpoint`. Raises CheckpointError for one that is only run."""
    spec = checkpoint.spec
    if spec.architecture not in ("icnet", "pspnet50"):
        raise CheckpointError(f"{checkpoint.name}: {spec.architecture} networks can be run, not trained")
    check_trainable(checkpoint)
    return replace(
        recipe,
        architecture=spec.architecture,
        width=spec.width,
        fusion=spec.fusion,
        blocks=spec.blocks,
        stride_at=spec.stride_at,
        output_stride=spec.output_stride,
        head=spec.head,
    )
