"""`icnet segment`: pictures, folders and videos without ROS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.media import find_media, segment_media


def segment(
    source: Annotated[Path, typer.Argument(help="A picture, a folder of pictures, or a video.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    engine: Annotated[str, typer.Option(help="auto, torch, onnxruntime, openvino.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, fp16.")] = "fp32",
    exit_: Annotated[str, typer.Option("--exit", help="sub4 (fastest), sub24, sub124 (best).")] = "sub124",
    scale: Annotated[
        float, typer.Option(min=0.0, max=8.0, help="Of the picture before the network; 0: what the checkpoint wants.")
    ] = 0.0,
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="Strength of the colours.")] = 0.5,
) -> None:
    """Write overlays and label images, and print how much of the pictures each class covers."""
    media = find_media(source)
    checkpoint = load_model(model)
    if not checkpoint.spec.trained:
        errors.print("[yellow]The network is untrained: its labels mean nothing. Name a checkpoint: --model[/]")
    runner = open_engine(engine, checkpoint, EngineOptions(device, precision, exit_, scale=scale))
    with progress_bar("segmenting") as update:
        coverage = segment_media(media, runner, out, alpha, lambda done, total: update("segmenting", done, total))
    runner.close()
    table = Table("class", "share of pixels")
    for name, value in coverage.items():
        table.add_row(name, f"{value:6.1%}")
    console.print(table)
    console.print(f"results in {out}", highlight=False)
