"""`icnet segment`: pictures, folders and videos without ROS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from icnet_ros.command.console import console, errors, progress_bar, warn_untrained
from icnet_ros.command.options import (
    Device,
    EngineName,
    EnginePrecision,
    Exit,
    LabelGroups,
    Mask,
    Model,
    ResultFolder,
    Rotate,
    Rows,
)
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.replay.files import find_media, segment_media


def segment(
    source: Annotated[Path, typer.Argument(help="A picture, a folder of pictures, or a video.")],
    out: ResultFolder,
    model: Model = "",
    engine: EngineName = "auto",
    device: Device = "auto",
    precision: EnginePrecision = "auto",
    exit_: Exit = "sub124",
    scale: Annotated[
        float, typer.Option(min=0.0, max=8.0, help="Input scale of the network; 0: as in the checkpoint.")
    ] = 0.0,
    rows: Rows = 0,
    label_groups: LabelGroups = "",
    rotate: Rotate = 0,
    mask: Mask = "",
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="Opacity of the class colours.")] = 0.5,
) -> None:
    """Write overlays with a legend, label images (class ids) and colour images; print the share of each class.

    For a video also the share of pixels whose label changes from frame to frame. Takes .jpg, .png, .bmp, .ppm, .tif,
    .webp, .avif, and the videos that OpenCV reads: .mp4, .avi, .mkv, .mov, .webm.
    """
    media = find_media(source)
    options = EngineOptions(
        device, precision, exit_, scale=scale, rows=rows, label_groups=label_groups, rotate=rotate, mask=mask
    )
    inference = InferenceSettings(model, engine, options)
    checkpoint = inference.load()
    if not checkpoint.spec.trained:
        warn_untrained("labels", model)
    runner = inference.open(checkpoint)
    with progress_bar("segmenting") as update:
        summary = segment_media(media, runner, out, alpha, lambda done, total: update("segmenting", done, total))
    runner.close()
    table = Table("class", "share of pixels")
    for name, value in summary.coverage.items():
        table.add_row(escape(name), f"{value:6.1%}")
    console.print(table)
    if summary.changed_pixels is not None:
        console.print(f"{summary.changed_pixels:.1%} of the pixels change from frame to frame", highlight=False)
    for problem in summary.failed:
        errors.print(f"not labelled: {problem}", style="bold red", highlight=False, markup=False, soft_wrap=True)
    if media.video and summary.frames < 0.98 * media.count - 1:  # the count in a video file is often an estimate
        errors.print(
            f"[yellow]{escape(str(source))} declares {media.count} frames, {summary.frames} could be read: it may be "
            "damaged or cut off[/]",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"results in {out}", highlight=False, markup=False)
    if summary.failed:
        raise typer.Exit(1)
