"""`icnet segment`: pictures, folders and videos without ROS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.console import console, errors, progress_bar, warn_untrained
from icnet_ros.command.ground.options import (
    GRID,
    CameraInfoFile,
    CameraOptions,
    Costs,
    Fov,
    Grid,
    Ground,
    Height,
    Pitch,
    Rectified,
    Roll,
    ScanRange,
    open_ground,
    parse_grid,
)
from icnet_ros.command.options import (
    Damaged,
    DamagedChoice,
    Device,
    EngineName,
    EnginePrecision,
    Exit,
    ExportFor,
    LabelGroups,
    Mask,
    Model,
    ResultFolder,
    Rotate,
    Rows,
)
from icnet_ros.engine.base import EngineOptions, LabelMap
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.files import read_bytes
from icnet_ros.ground.shapes import ScanShape
from icnet_ros.malloc import limit_malloc_arenas, return_large_blocks
from icnet_ros.replay.files import find_media, segment_media
from icnet_ros.report.annotation.base import Prelabelled
from icnet_ros.report.annotation.table import check_tool, open_writer


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
    damaged: Damaged = DamagedChoice.FAIL,
    export_for: ExportFor = "",
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="Opacity of the class colours.")] = 0.5,
    ground: Ground = False,
    camera_height: Height = 0.0,
    camera_pitch: Pitch = 0.0,
    camera_roll: Roll = 0.0,
    fov: Fov = 0.0,
    camera_info: CameraInfoFile = None,
    rectified: Rectified = False,
    grid: Grid = GRID,
    scan_range: ScanRange = 10.0,
    costs: Costs = "nav2",
) -> None:
    """Write overlays with a legend, label images (class ids) and colour images; print the share of each class.

    For a video also the share of pixels whose label changes from frame to frame. Takes .jpg, .png, .bmp, .ppm, .tif,
    .webp, .avif, and the videos that OpenCV reads: .mp4, .avi, .mkv, .mov, .webm.
    """
    limit_malloc_arenas()
    return_large_blocks()
    media = find_media(source)
    camera = CameraOptions(camera_height, camera_pitch, camera_roll, fov, camera_info, rectified)
    shapes = parse_grid(grid), ScanShape(range_max=scan_range)
    if ground:
        camera.pose()
    if export_for:
        check_tool(export_for)
        if media.video:
            raise typer.BadParameter("--export-for takes pictures; for a drive there is icnet replay --export-worst")
    options = EngineOptions(
        device, precision, exit_, scale=scale, rows=rows, label_groups=label_groups, rotate=rotate, mask=mask
    )
    inference = InferenceSettings(model, engine, options)
    checkpoint = inference.load()
    if not checkpoint.spec.trained:
        warn_untrained("labels", model)
    runner = inference.open(checkpoint)
    writer = open_writer(export_for, out / "annotation", source.stem, runner.spec.classes) if export_for else None

    def export(name: str, picture: Path, found: LabelMap) -> None:
        if writer is not None and found.confidence is not None:
            score = float(found.confidence.mean()) / 255
            writer.add(Prelabelled(name, picture.suffix, read_bytes(picture), found.labels, score))

    with progress_bar("segmenting") as update:
        summary = segment_media(
            media,
            runner,
            out,
            alpha,
            lambda done, total: update("segmenting", done, total),
            export if writer else None,
            ground=open_ground(camera, shapes, runner.spec.classes, label_groups, costs) if ground else None,
            damaged=damaged.value,
        )
    runner.close()
    if writer is not None:
        writer.close()
        console.print(f"for {export_for}: {writer.folder}", soft_wrap=True)
    table = Table("class", "share of pixels")
    for name, value in summary.coverage.items():
        table.add_row(name, f"{value:6.1%}")
    console.print(table)
    if summary.changed_pixels is not None:
        console.print(f"{summary.changed_pixels:.1%} of the pixels change from frame to frame")
    for problem in summary.damaged:
        errors.print(f"labelled, though {problem}", style="yellow", soft_wrap=True)
    for problem in summary.failed:
        errors.print(f"not labelled: {problem}", style="bold red", soft_wrap=True)
    if media.video and summary.frames < 0.98 * media.count - 1:  # the count in a video file is often an estimate
        problem = (
            f"{source} declares {media.count} frames, {summary.frames} could be read: it may be damaged or cut off"
        )
        errors.print(problem, style="yellow", soft_wrap=True)
    console.print(f"results in {out}")
    if summary.failed:
        raise typer.Exit(1)
