"""`icnet train`: cascade label guidance on an annotated dataset."""

from pathlib import Path
from typing import Annotated

import typer

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


def train(
    out: TrainingFolder,
    data: TrainingData = "",
    root: Root = None,
    without: Annotated[list[str] | None, typer.Option(help="Source of the dataset to leave out; repeatable.")] = None,
    recipe: Annotated[str, typer.Option(help="A file of config/train by name, or a .yaml file.")] = "camvid",
    backbone: Annotated[Path | None, typer.Option(help="Start from an ImageNet ResNet-50, .safetensors.")] = None,
    init: Annotated[Path | None, typer.Option(help="Start from a checkpoint of the same width.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="Teacher checkpoint for distillation.")] = None,
    iterations: Iterations = None,
    seed: Annotated[int | None, typer.Option(help="Random seed; overrides the recipe.")] = None,
    stop_after: Annotated[int, typer.Option(min=0, help="Stop after this many steps; 0: run to the end.")] = 0,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    precision: TrainingPrecision = "32-true",
) -> None:
    """Train on split "train", keep the checkpoint with the best mIoU on "val".

    Where the recipe's validate_images is less than the images of "val", the last checkpoint is kept instead: only that
    is scored on all of them. The same command in the same folder resumes from the last validation. With `patience` in
    the recipe, the training ends when validations bring nothing better.
    """
    with needed_for("training", RecipeError, "train"):
        from icnet_ros.training.loop import Trainer
        from icnet_ros.training.session import Hardware, open_session
        from icnet_ros.training.start import FROM_SCRATCH, continued, from_backbone, from_checkpoint
    if backbone is not None and init is not None:
        raise RecipeError("give either --backbone or --init, not both")
    chosen = load_recipe(recipe, iterations=iterations, seed=seed)
    start = from_backbone(backbone) if backbone else FROM_SCRATCH
    if init is not None:
        initial = load(init)
        start = from_checkpoint(initial)
        chosen = continued(chosen, initial.spec)
    teacher_checkpoint = load(teacher) if teacher else None
    out.mkdir(parents=True, exist_ok=True)
    session = open_session(chosen, data, root, Hardware(accelerator, devices, nodes, precision), without or ())
    with session.holding(out), progress_bar("reading the data", hidden=session.hidden) as update:
        trainer = Trainer(chosen, session.data, session.validation, out, session.fabric, start, teacher_checkpoint)
        if trainer.step and not session.hidden:
            console.print(f"resuming at step {trainer.step}")
        best = trainer.run(update, stop_after)
    if not session.hidden:
        if trainer.ended and trainer.step < chosen.iterations:
            console.print(
                f"ended at step {trainer.step} of {chosen.iterations}: {trainer.without_gain} validations brought no "
                f"better mIoU (patience: {chosen.patience})",
            )
        elif past := trainer.step % chosen.validate_every if trainer.step < chosen.iterations else 0:
            console.print(
                f"stopped at step {trainer.step}; resumes at step {trainer.step - past}, the last validation "
                f"(every {chosen.validate_every} steps)",
            )
        if (out / "best.safetensors").is_file():
            console.print(f"best validation mIoU {best:.4f}: {out}/best.safetensors")
        else:
            console.print("no checkpoint yet: the first validation writes best.safetensors")
