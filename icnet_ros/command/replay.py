"""`icnet replay`: labels recorded drives with an engine, frame by frame."""

import json
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from icnet_ros.command.bag_listing import list_contents
from icnet_ros.command.console import console, errors, print_problem, progress_bar, warn_untrained
from icnet_ros.command.ground.options import (
    GRID,
    CameraInfoFile,
    CameraOptions,
    Costs,
    Fov,
    Grid,
    Ground,
    GroundFrame,
    Height,
    Pitch,
    Rectified,
    Roll,
    ScanRange,
    open_drives,
    parse_grid,
)
from icnet_ros.command.options import (
    CoarseBranchInterval,
    Damaged,
    DamagedChoice,
    Device,
    EngineName,
    EnginePrecision,
    Exit,
    ExportFor,
    Json,
    LabelGroups,
    Mask,
    Model,
    ResultFolder,
    Rotate,
    Threads,
)
from icnet_ros.engine.base import EngineOptions
from icnet_ros.ground.shapes import ScanShape

if TYPE_CHECKING:
    from icnet_ros.replay.workers.pool import WorkerPool
    from icnet_ros.report.document import Report


def replay(
    out: ResultFolder,
    bags: Annotated[
        list[Path] | None, typer.Argument(help="Bags: ROS 2 (folder, .mcap, .db3) or ROS 1 (.bag).")
    ] = None,
    fleet: Annotated[str, typer.Option(help="Glob pattern of more bags, in quotes: 'bags/**/*.mcap'.")] = "",
    model: Model = "",
    engine: EngineName = "auto",
    device: Device = "auto",
    precision: EnginePrecision = "fp32",
    exit_: Exit = "sub124",
    threads: Threads = 0,
    label_groups: LabelGroups = "",
    rotate: Rotate = 0,
    coarse_branch_interval: CoarseBranchInterval = 0,
    mask: Mask = "",
    image_topic: Annotated[
        list[str] | None, typer.Option(help="Image topic; repeat for several. All cameras if not given.")
    ] = None,
    ground_truth_topic: Annotated[
        str,
        typer.Option(
            "--ground-truth-topic", "--truth-topic", help="Ground truth topic (mono8); found by name if not given."
        ),
    ] = "",
    ground_truth: Annotated[
        Path | None,
        typer.Option(
            "--ground-truth",
            "--truth",
            help="Folder of label PNGs instead of a topic, named by frame number or stamp, or one per image in order.",
        ),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML `ID: class`: ground truth of another label set.")] = None,
    start: Annotated[float, typer.Option(min=0.0, help="Seconds after the first image.")] = 0.0,
    end: Annotated[float, typer.Option(help="Seconds after the first image.")] = float("inf"),
    stride: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of frames; 0: all.")] = 0,
    sync_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Seconds by which the stamps of image and ground truth may differ.")
    ] = 0.0,
    damaged: Damaged = DamagedChoice.FAIL,
    resume: Annotated[bool, typer.Option(help="Reuse labels in --out from a run with the same settings.")] = True,
    confidence: Annotated[bool, typer.Option(help="Also store confidence maps, as PNGs and in the bag.")] = False,
    overlay: Annotated[bool, typer.Option(help="Also write overlays into the predictions bag.")] = False,
    video: Annotated[bool, typer.Option(help="Write overlay.webm.")] = True,
    export_worst: Annotated[
        int, typer.Option(min=0, help="Export so many of the worst frames for annotation, with their labels.")
    ] = 0,
    export_every: Annotated[int, typer.Option(min=0, help="Export every n-th frame for annotation.")] = 0,
    export_for: ExportFor = "cvat",
    rerun: Annotated[Path | None, typer.Option(help="Write an .rrd file for the Rerun viewer (one drive).")] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Worker processes; 0: one, or with --ray one per CPU or GPU of the cluster."),
    ] = 0,
    ray: Annotated[str, typer.Option(help="Run the workers on a Ray cluster: address, auto, or local.")] = "",
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit code 1 if the condition holds: 'miou<0.60', 'p95_ms>80'; repeatable.")
    ] = None,
    list_: Annotated[  # noqa: ARG001  its callback does it
        Path | None,
        typer.Option(
            "--list", metavar="BAG", help="Show what is in a bag, and exit.", is_eager=True, callback=list_contents
        ),
    ] = None,
    ground: Ground = False,
    camera_height: Height = 0.0,
    camera_pitch: Pitch = 0.0,
    camera_roll: Roll = 0.0,
    fov: Fov = 0.0,
    camera_info: CameraInfoFile = None,
    rectified: Rectified = False,
    grid: Grid = GRID,
    scan_range: ScanRange = 10.0,
    ground_frame: GroundFrame = "base_link",
    costs: Costs = "nav2",
    as_json: Json = False,
) -> None:
    """Label every frame of one or more drives once, in order, and report scores, flicker and latency.

    Started again after a kill or Ctrl-C, it resumes. Exit code 1 if a bag is corrupt, the replay was interrupted,
    a drive has no labelled frame or a --fail-if holds. The report then covers what could be read.
    """
    from icnet_ros.engine.inference import InferenceSettings
    from icnet_ros.replay.drives import find_drives
    from icnet_ros.replay.folder_lock import lock_drives, locked
    from icnet_ros.replay.replay_drives import ReplaySettings, replay_drives
    from icnet_ros.replay.selection import Selection
    from icnet_ros.report.annotation.table import check_tool
    from icnet_ros.report.drives import write_reports
    from icnet_ros.report.gates import Gate, failures, figures, names
    from icnet_ros.report.rerun import require_rerun
    from icnet_ros.report.writer import OutputOptions

    check_tool(export_for)
    options = EngineOptions(
        device,
        precision,
        exit_,
        threads,
        label_groups=label_groups,
        rotate=rotate,
        mask=mask,
        coarse_branch_interval=coarse_branch_interval,
    )
    inference = InferenceSettings(model, engine, options)
    spec = inference.spec()
    camera = CameraOptions(camera_height, camera_pitch, camera_roll, fov, camera_info, rectified)
    shapes = parse_grid(grid), ScanShape(range_max=scan_range)
    views = open_drives(camera, shapes, spec.classes, label_groups, costs, ground_frame) if ground else None
    gates = [Gate.parse(text, names(spec.classes.names)) for text in fail_if or ()]
    selection = Selection(
        "", ground_truth_topic, str(ground_truth or ""), str(mapping or ""), start, end, stride, limit, sync_tolerance
    )
    drives = find_drives(bags or (), fleet, out, selection, image_topic or ())
    if not (math.isfinite(start) and math.isfinite(sync_tolerance)) or math.isnan(end):
        raise typer.BadParameter("--start and --sync-tolerance must be finite, --end must be a number")
    if rerun:
        require_rerun()
    if rerun and len(drives) > 1:
        raise typer.BadParameter("--rerun takes one drive")
    if ground_truth and len(drives) > 1:
        raise typer.BadParameter("--ground-truth belongs to one drive: name one bag, and one camera with --image-topic")
    if views is not None:
        for drive in drives:
            if not drive.error:
                views(drive)  # a camera whose pose is not known is an error now, not after the labelling
    if not spec.trained:
        warn_untrained("labels", model)
    pool = _worker_pool(ray, workers, threads)
    settings = ReplaySettings(inference, confidence=confidence, resume=resume, damaged=damaged.value, pool=pool)
    outputs = OutputOptions(
        confidence=confidence,
        overlay=overlay,
        video=video,
        rerun=rerun,
        ground=views,
        export_worst=export_worst,
        export_every=export_every,
        export_for=export_for,
    )
    with ExitStack() as locks, progress_bar("replaying") as update:
        locks.enter_context(locked(out))
        if len(drives) > 1:
            drives = lock_drives(drives, locks)
        written = write_reports(replay_drives(drives, settings, update), outputs, out, update)
    report = written.report
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print(report, written.page)
    for warning, count in report["warnings"].items():
        often = f" ({count} times)" if count > 1 else ""
        errors.print(f"{warning}{often}", style="yellow", soft_wrap=True)
    failed = failures(gates, figures(report))
    for reason in failed:
        print_problem("failed:", reason)
    if not report["complete"]:
        _explain(report)
    unlabelled = _print_not_labelled(report)
    if failed or unlabelled or not report["complete"]:
        raise typer.Exit(1)


def _worker_pool(ray: str, workers: int, threads: int) -> "Callable[[bool], WorkerPool] | None":
    from icnet_ros.replay.workers.processes import ProcessPool
    from icnet_ros.replay.workers.ray import RayPool

    if ray:
        return lambda gpu: RayPool(ray, workers, threads, gpu=gpu)
    if workers > 1:
        return lambda gpu: ProcessPool(workers, threads)
    return None


def _print(report: "Report", page: Path) -> None:
    bags = report["bag"]
    title = bags if isinstance(bags, str) else f"{len(bags)} drives"
    table = Table("class", "share of pixels", "flicker", "IoU", title=title, title_justify="left")
    for name, share in report["coverage"].items():
        iou = report["per_class"][name] if report["per_class"] else None
        flickering = report["flicker"][name]
        table.add_row(
            name,
            f"{share:6.1%}",
            "-" if flickering is None else f"{flickering:6.1%}",
            "-" if iou is None else f"{iou:.3f}",
        )
    console.print(table)
    score = "" if report["miou"] is None else f", mIoU {report['miou']:.4f}"
    speed = "" if report["throughput_fps"] is None else f", {report['throughput_fps']:.1f} frames/s"
    console.print(f"{report['frames']['labelled']} frames{score}{speed}; open {page}")


def _print_not_labelled(report: "Report") -> bool:
    """Say how many frames of each drive have no labels, and why. Whether a drive has none with labels."""
    frames = report["frames"]
    drives = [("", frames["read"], frames["labelled"], report["errors"], "")]
    if listed := report.get("drives"):
        drives = [(f"{one['drive']}: ", one["read"], one["labelled"], one["errors"], one["error"]) for one in listed]
    for name, read, labelled, problems, error in drives:
        reason = "; ".join(problems)
        if problems:
            text = f"{name}{read - labelled} of {read} frames not labelled: {reason}"
            errors.print(text, style="yellow", soft_wrap=True)
        if not labelled and not error:
            reason = reason or "no frame lies in what --start, --end, --stride and --limit leave"
            print_problem(f"{name}nothing was labelled:", reason)
    return not all(labelled for _, _, labelled, _, _ in drives)


def _explain(report: "Report") -> None:
    reasons = [f"{entry['drive']}: {entry['error']}" for entry in report.get("drives", ()) if entry["error"]]
    for reason in reasons or [report["corruption"] or "interrupted; the same command resumes here"]:
        errors.print(f"incomplete: {reason}", style="yellow", soft_wrap=True)
