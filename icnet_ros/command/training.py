"""What the commands that train have in common: options, and the packages they need."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from icnet_ros.training.errors import RecipeError

TrainingData = Annotated[
    str, typer.Option("--data", help="A dataset.yaml or a dataset by name; that of the recipe if not given.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for logs, states and checkpoints.")]
Iterations = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda.")]
Devices = Annotated[int, typer.Option(min=1, help="Processes of this machine, one a device.")]
Nodes = Annotated[int, typer.Option(min=1, help="Machines; start the same command on each with torchrun.")]
Precision = Annotated[str, typer.Option(help="32-true, or bf16-mixed where the device has bf16 instructions.")]


@contextmanager
def needs_training_packages() -> Iterator[None]:
    """Say what to install where an import inside fails. Raises RecipeError."""
    try:
        yield
    except ModuleNotFoundError as err:
        raise RecipeError(f"training needs the package {err.name}: pip install 'icnet_ros[train]'") from err
