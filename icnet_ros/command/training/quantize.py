"""`icnet quantize`: an int8 network beside a checkpoint."""

from typing import Annotated

import typer

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import Data, Exit, Model, Root
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineError
from icnet_ros.packages import needed_for


def quantize(
    data: Data,
    root: Root = None,
    model: Model = "",
    exit_: Exit = "sub124",
    split: Annotated[str, typer.Option(help="Calibrate on this split.")] = "train",
    validation: Annotated[str, typer.Option(help="Measure the accuracy loss on this split.")] = "val",
    images: Annotated[int, typer.Option(min=1, help="Number of calibration images.")] = 64,
    max_drop: Annotated[float, typer.Option(help="Write nothing if mIoU drops by more percentage points.")] = 1.0,
    engine: Annotated[str, typer.Option(help="Engine to measure the loss: auto, onnxruntime, openvino.")] = "auto",
    limit: Annotated[int, typer.Option(min=0, help="Number of validation images, evenly spaced; 0: all.")] = 0,
) -> None:
    """Calibrate an exit of a checkpoint for int8 and write it beside the checkpoint, where engines look for it.

    `precision: auto`, the default, takes it if it loses at most a point of mIoU and the CPU has the instructions;
    `int8` always does.
    """
    with needed_for("quantizing", EngineError, "quantize"):
        from icnet_ros.training.quantize import quantize as run
    calibration, measured = (open_dataset(data, root, part) for part in (split, validation))
    with progress_bar("building engines") as update:
        result = run(
            load_model(model),
            exit_,
            calibration,
            measured.subsample(limit),
            update,
            engine=engine,
            count=images,
            max_drop=max_drop,
        )
    console.print(f"{result.path}")
    console.print(f"mIoU {result.before:.4f} in fp32, {result.after:.4f} in int8")
