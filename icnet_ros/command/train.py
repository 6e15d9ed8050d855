"""`icnet train`: cascade label guidance on an annotated dataset."""

from pathlib import Path
from typing import Annotated

import typer

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.command.console import console, progress_bar
from icnet_ros.dataset.table import open_dataset
from icnet_ros.evaluation.evaluate import evaluate, report
from icnet_ros.training.recipe import RecipeError, load_recipe


def train(
    root: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for log, state and the best checkpoint.")],
    recipe: Annotated[str, typer.Option(help="camvid, camvid_cpu, cityscapes, cocostuff, or a .yaml file.")] = "camvid",
    backbone: Annotated[Path | None, typer.Option(help="ImageNet ResNet-50, .safetensors.")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    stop_after: Annotated[int, typer.Option(min=0, help="End after so many steps; go on later.")] = 0,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a device.")] = 1,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed.")] = "32-true",
) -> None:
    """Train on split "train", keep the checkpoint with the best mIoU on "val".

    The same command in the same folder goes on where it was ended, exactly.
    """
    try:
        from lightning_fabric import Fabric

        from icnet_ros.training.loop import Trainer
    except ModuleNotFoundError as err:
        raise RecipeError(f"training needs the package {err.name}: pip install 'icnet_ros[train]'") from err
    chosen = load_recipe(recipe, iterations=iterations, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    validation = open_dataset(chosen.dataset, root, "val")
    data = open_dataset(chosen.dataset, root, "train")
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)  # type: ignore[arg-type]
    fabric.launch()

    def validate(checkpoint: Checkpoint) -> dict[str, float]:
        matrices = evaluate(checkpoint, validation, lambda *_: None, device=str(fabric.device))
        figures = report(checkpoint, validation, matrices)
        exits = {f"miou_{name}": entry["miou"] for name, entry in figures["exits"].items()}
        return {"miou": figures["miou"], "pixel_accuracy": figures["pixel_accuracy"], **exits}

    with progress_bar("reading the data") as update:
        trainer = Trainer(chosen, data, out, fabric, validate, backbone)
        if trainer.step:
            console.print(f"going on at step {trainer.step}", highlight=False)
        best = trainer.run(update, stop_after)
    console.print(f"best validation mIoU {best:.4f}: {out}/best.safetensors", highlight=False)
