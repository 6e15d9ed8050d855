"""`icnet prune`: a network with fewer blocks or filters out of a trained one."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.file import load
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import (
    Accelerator,
    Devices,
    Iterations,
    Nodes,
    Root,
    TrainingData,
    TrainingFolder,
    TrainingPrecision,
)
from icnet_ros.packages import needed_for
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import load_recipe


def prune(
    model: Annotated[Path, typer.Argument(help="Trained checkpoint of an ICNet or a PSPNet50.")],
    out: TrainingFolder,
    data: TrainingData = "",
    root: Root = None,
    keep: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="Share of the filters to keep; 0.5 without --blocks and --widths."),
    ] = None,
    blocks: Annotated[
        str, typer.Option(help="Residual blocks that stay in the stages res2 to res5 of an ICNet, such as 3,4,4,1.")
    ] = "",
    widths: Annotated[
        str,
        typer.Option(
            help="Widths of parts of an ICNet, such as stem=0.25,hi=0.25,res5=0.25; icnet info shows the network's."
        ),
    ] = "",
    steps: Annotated[
        int, typer.Option(min=1, help="Number of steps in which filters are left out, with retraining after each.")
    ] = 2,
    recipe: Annotated[str, typer.Option(help="Recipe of the retraining after each step.")] = "camvid_prune",
    teacher: Annotated[Path | None, typer.Option(help="Teacher checkpoint for distillation, such as MODEL.")] = None,
    iterations: Iterations = None,
    between: Annotated[int | None, typer.Option(min=1, help="Iterations of the steps before the last.")] = None,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    precision: TrainingPrecision = "32-true",
) -> None:
    """Leave out residual blocks, and filters by their l1 norm, and retrain. Resumes after a kill."""
    with needed_for("training", RecipeError, "train"):
        from icnet_ros.training.pruning.filters import width_schedule
        from icnet_ros.training.pruning.progressive import prune_progressively
        from icnet_ros.training.session import Hardware, open_session
    if blocks and not re.fullmatch(r"\d+(,\d+){3}", blocks):
        raise RecipeError(f"--blocks {blocks} is not four numbers such as 3,4,4,1")
    depth = [int(number) for number in blocks.split(",")] if blocks else []
    number = r"\d+(\.\d+)?"
    if widths and not re.fullmatch(rf"\w+={number}(,\w+={number})*", widths):
        raise RecipeError(f"--widths {widths} is not a list such as stem=0.25,res5=0.25")
    pairs = [entry.split("=") for entry in widths.split(",") if entry]
    parts = {part: float(width) for part, width in pairs}
    if len(parts) < len(pairs):
        raise RecipeError(f"--widths {widths} names a part twice")
    checkpoint = load(model)
    teacher_checkpoint = load(teacher) if teacher else None
    chosen = load_recipe(recipe, iterations=iterations)
    session = open_session(chosen, data, root, Hardware(accelerator, devices, nodes, precision))
    share = keep or (1.0 if depth or parts else 0.5)
    width = checkpoint.spec.width
    plan = width_schedule(width, share * width, steps) if share < 1 else []
    with session.holding(out), progress_bar("reading the data", hidden=session.hidden) as update:
        result = prune_progressively(
            checkpoint,
            plan,
            chosen,
            session.data,
            session.validation,
            out,
            session.fabric,
            update,
            teacher_checkpoint,
            between,
            depth,
            parts,
        )
    if not session.hidden:
        table = Table(
            "network", "pruned", "retrained", title=f"validation mIoU of {checkpoint.name}", title_justify="left"
        )
        table.add_row(f"as it was, width {width:g}", "", f"{result.before:.4f}")
        for step in result.steps:
            table.add_row(step.name, f"{step.pruned:.4f}", f"{step.retrained:.4f}")
        console.print(table)
        console.print(f"{result.checkpoint}")
