"""`icnet demo`: plays a bag through a real ROS 2 graph."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.default import load_model_spec, model_path
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.command.options import CoarseBranchInterval, EnginePrecision, Model
from icnet_ros.command.requirements import missing_ros
from icnet_ros.live.processes import DemoError

if TYPE_CHECKING:
    from icnet_ros.live.summary import Summary


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/demo"),
    bag: Annotated[Path | None, typer.Option(help="ROS 2 bag; a drive made of one photograph if not given.")] = None,
    engine: Annotated[str, typer.Option(help="Engine of the node.")] = "",
    precision: EnginePrecision = "",
    exit_: Annotated[str, typer.Option("--exit", help="Exit of the node; auto keeps up with the images.")] = "auto",
    coarse_branch_interval: CoarseBranchInterval = 0,
    model: Model = "",
    rate: Annotated[float, typer.Option(min=0.01, max=100.0, help="Playback rate of the bag.")] = 1.0,
    image_topic: Annotated[str, typer.Option(help="Image topic, if the bag has several.")] = "",
    ground_truth_topic: Annotated[
        str,
        typer.Option(
            "--ground-truth-topic", "--truth-topic", help="Ground truth topic (mono8); found by name if not given."
        ),
    ] = "",
) -> None:
    """Play a bag into the lifecycle node over DDS; write a video, a contact sheet, a report and a summary."""
    from icnet_ros.live.demo import DemoOptions, run_demo
    from icnet_ros.replay.folder_lock import locked

    if module := missing_ros():
        raise DemoError(
            f"the demo runs a real ROS 2 graph and {module} is not importable: "
            "use `make demo`, or source your ROS 2 and the workspace built with colcon"
        )
    spec = load_model_spec(model)
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: end the three processes too
        signal.signal(number, lambda *_: sys.exit(1))
    path = model_path(model)
    file = str(path) if model else ""
    sample_labels = spec.classes.names == load_classes("cityscapes").names
    topics = (image_topic, ground_truth_topic)
    options = DemoOptions(
        out, bag, engine, file, rate, *topics, precision, exit_, coarse_branch_interval, sample_labels
    )
    with locked(out):
        with progress_bar("starting the node") as update:
            run = run_demo(options, update)
        from icnet_ros.live.demo_report import write_demo_report

        with progress_bar("scoring") as update:
            summary = write_demo_report(run, spec, path.name if path else "untrained", out, update)
    if not summary["frames"]["labelled"]:
        raise DemoError(f"no frame was labelled; see {out}/logs")
    _print(summary)
    if not spec.trained:
        errors.print("The network is untrained: its labels mean nothing.", style="yellow")
    files = ("overlay.webm", "contact_sheet.png", "report.html", "summary.json")
    console.print(", ".join(f"{out}/{name}" for name in files))
    if summary["frames"]["lost"]:
        raise DemoError(f"{summary['frames']['lost']} frames were lost between the processes; see {out}/logs")


def _print(summary: "Summary") -> None:
    frames = summary["frames"]
    table = Table("", "p50", "p95", "p99", title="latency, ms", title_justify="left")
    for stage, values in {
        **summary["latency_ms"],
        "image -> labels, outside the node": summary["image_to_labels_ms"],
    }.items():
        if values:
            table.add_row(stage, *(f"{values[key]:.1f}" for key in ("p50", "p95", "p99")))
    console.print(table)
    console.print(
        f"{frames['published']} published = {frames['labelled']} labelled + {frames['dropped']} dropped + "
        f"{frames['failed']} failed + {frames['lost']} lost; {summary['fps'] or 0:.1f} labels/s",
    )
    if len(summary["steps"]) > 1:
        steps = (f"{count} by {step}" for step, count in summary["steps"].items())
        console.print(f"frames by exit and rows, to keep up with the images: {', '.join(steps)}")
    score = "no ground truth"
    if summary["miou"] is not None:
        score = f"{summary['pixel_accuracy']:.0%} of the pixels right, mIoU {summary['miou']:.3f}"
    trained = "trained" if summary["trained"] else "untrained"
    console.print(f"engine {summary['engine']}, checkpoint {summary['checkpoint']} ({trained}), {score}")
