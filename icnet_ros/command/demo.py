"""`icnet demo`: a bag through a real ROS 2 graph."""

import importlib.util
import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model_spec, model_path
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.evaluation.answers import read_answers, replay_recording
from icnet_ros.evaluation.demo import DemoError, DemoOptions, run_demo
from icnet_ros.evaluation.report import summarise, write_pictures


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/demo"),
    bag: Annotated[Path | None, typer.Option(help="ROS 2 bag; a drive made of one photograph if not given.")] = None,
    engine: Annotated[str, typer.Option(help="Engine of the node.")] = "",
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8.")] = "",
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    rate: Annotated[float, typer.Option(min=0.01, max=100.0, help="Speed of the bag.")] = 1.0,
    image_topic: Annotated[str, typer.Option(help="Image topic, if the bag has several.")] = "",
    truth_topic: Annotated[str, typer.Option(help="mono8 topic with ground truth, if not found by name.")] = "",
) -> None:
    """Play a bag into the lifecycle node over DDS; leave a video, a contact sheet, a report and a summary."""
    from icnet_ros.evaluation.live import write_demo_report

    for module in ("rclpy", "icnet_ros.msg"):
        if importlib.util.find_spec(module) is None:
            raise DemoError(
                f"the demo runs a real ROS 2 graph and {module} is not importable: "
                "use `make demo`, or source your ROS 2 and the workspace built with colcon"
            )
    spec = load_model_spec(model)
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: end the three processes too
        signal.signal(number, lambda *_: sys.exit(1))
    options = DemoOptions(out, bag, engine, model, rate, image_topic, truth_topic, precision)
    with progress_bar("starting the node") as update:
        recording = run_demo(options, update)
    answers = read_answers(recording.answers)
    path = model_path(model)
    with progress_bar("scoring") as update:
        found = replay_recording(recording, answers, spec, out, lambda done, total: update("scoring", done, total))
        summary = summarise(recording, answers, spec, path.name if path else "untrained", found.matrix)
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        write_pictures(recording, answers, spec, out, lambda done, total: update("painting", done, total))
        write_demo_report(recording, found, spec, summary, out, lambda done, total: update("reporting", done, total))
    _print(summary)
    if not spec.trained:
        errors.print("[yellow]The network is untrained: its labels mean nothing.[/]")
    console.print(f"{out}/overlay.mp4, {out}/contact_sheet.png, {out}/report.html, {out}/summary.json", highlight=False)
    if summary["frames"]["lost"]:
        raise DemoError(f"{summary['frames']['lost']} frames were lost between the processes; see {out}/logs")


def _print(summary: dict[str, Any]) -> None:
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
        highlight=False,
    )
    score = "no ground truth" if summary["miou"] is None else f"mIoU {summary['miou']:.3f}"
    trained = "trained" if summary["trained"] else "untrained"
    console.print(
        f"engine {summary['engine']}, checkpoint {summary['checkpoint']} ({trained}), {score}", highlight=False
    )
