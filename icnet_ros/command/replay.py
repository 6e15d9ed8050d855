"""`icnet replay`: a recorded drive through an engine, frame by frame."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine


def replay(
    bag: Annotated[Path, typer.Argument(help="ROS 2 bag: folder, .mcap or .db3.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for labels, answers, frames.csv, report.json.")],
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    engine: Annotated[str, typer.Option(help="auto, torch, onnxruntime, openvino, tensorrt.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8.")] = "fp32",
    exit_: Annotated[str, typer.Option("--exit", help="sub4 (fastest), sub24, sub124 (best).")] = "sub124",
    image_topic: Annotated[str, typer.Option(help="Found by type if not given.")] = "",
    truth_topic: Annotated[str, typer.Option(help="mono8 ground truth; found by name if not given.")] = "",
    start: Annotated[float, typer.Option(min=0.0, help="Seconds after the first image.")] = 0.0,
    end: Annotated[float, typer.Option(help="Seconds after the first image.")] = float("inf"),
    stride: Annotated[int, typer.Option(min=1, help="Every so many frames.")] = 1,
    limit: Annotated[int, typer.Option(min=0, help="At most so many frames; 0: all.")] = 0,
    sync_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Seconds by which the stamps of image and ground truth may differ.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Label every frame of a bag once, in order. Started again after a kill or Ctrl-C, it goes on where it was.

    Exit code 1 if the bag is damaged or the replay was interrupted: the report is then of what could be read.
    """
    from icnet_ros.evaluation.replay import Selection, bag_hash, report
    from icnet_ros.evaluation.replay import replay as run

    checkpoint = load_model(model)
    if not checkpoint.spec.trained:
        errors.print("[yellow]The network is untrained: its labels mean nothing. Name a checkpoint: --model[/]")
    selection = Selection(image_topic, truth_topic, start, end, stride, limit, sync_tolerance)
    facts = {
        "bag": str(bag),
        "bag_sha256": bag_hash(bag),
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": checkpoint.sha256,
        "trained": checkpoint.spec.trained,
    }
    runner = open_engine(engine, checkpoint, EngineOptions(device, precision, exit_))
    facts |= {"engine": runner.name, "device": runner.device, "precision": precision, "exit": exit_}
    identity = json.dumps({**facts, "bag": "", **asdict(selection), "truth_topic": ""}, sort_keys=True)
    with progress_bar("replaying") as update:
        found = run(bag, runner, out, selection, lambda done, total: update("replaying", done, total), identity)
    runner.close()
    answer = report(found, checkpoint.spec.classes, facts)
    (out / "report.json").write_text(json.dumps(answer, indent=2) + "\n")
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        table = Table("class", "share of pixels", "IoU", title=str(bag), title_justify="left")
        for name, share in answer["coverage"].items():
            iou = answer["per_class"][name] if answer["per_class"] else None
            table.add_row(name, f"{share:6.1%}", "-" if iou is None else f"{iou:.3f}")
        console.print(table)
        figure = "" if answer["miou"] is None else f", mIoU {answer['miou']:.4f}"
        console.print(f"{answer['frames']['labelled']} frames{figure}; everything in {out}", highlight=False)
    if not answer["complete"]:
        errors.print(f"[yellow]incomplete: {found.damage or 'interrupted'}[/]", highlight=False)
        raise typer.Exit(1)
