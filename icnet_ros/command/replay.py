"""`icnet replay`: recorded drives through an engine, frame by frame."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from icnet_ros.checkpoint.default import load_model_spec
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.engine.base import EngineOptions


def replay(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    bags: Annotated[
        list[Path] | None, typer.Argument(help="Bags: ROS 2 (folder, .mcap, .db3) or ROS 1 (.bag).")
    ] = None,
    fleet: Annotated[str, typer.Option(help="More bags, by a pattern in quotes: 'bags/**/*.mcap'.")] = "",
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    engine: Annotated[str, typer.Option(help="auto, torch, onnxruntime, openvino, tensorrt.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8.")] = "fp32",
    exit_: Annotated[str, typer.Option("--exit", help="sub4 (fastest), sub24, sub124 (best).")] = "sub124",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of each engine; 0: all cores are used.")] = 0,
    image_topic: Annotated[
        list[str] | None, typer.Option(help="Camera, repeat for several; all of the bag if not given.")
    ] = None,
    truth_topic: Annotated[str, typer.Option(help="mono8 ground truth; found by name if not given.")] = "",
    truth: Annotated[
        Path | None,
        typer.Option(help="Folder of label PNGs instead, by frame number, stamp or order."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML `ID: class`: ground truth of another label set.")] = None,
    start: Annotated[float, typer.Option(min=0.0, help="Seconds after the first image.")] = 0.0,
    end: Annotated[float, typer.Option(help="Seconds after the first image.")] = float("inf"),
    stride: Annotated[int, typer.Option(min=1, help="Every so many frames.")] = 1,
    limit: Annotated[int, typer.Option(min=0, help="At most so many frames; 0: all.")] = 0,
    sync_tolerance: Annotated[
        float, typer.Option(min=0.0, help="Seconds by which the stamps of image and ground truth may differ.")
    ] = 0.0,
    resume: Annotated[bool, typer.Option(help="Keep labels that an equal run left in --out; or make all anew.")] = True,
    confidence: Annotated[bool, typer.Option(help="Keep confidence too: PNGs, and in the answers bag.")] = False,
    overlay: Annotated[bool, typer.Option(help="Overlays in the answers bag, too.")] = False,
    video: Annotated[bool, typer.Option(help="Write overlay.mp4.")] = True,
    rerun: Annotated[Path | None, typer.Option(help="Write an .rrd file for the Rerun viewer (one drive).")] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Processes that share the frames; 0: one, or all that a Ray cluster has room for."),
    ] = 0,
    ray: Annotated[str, typer.Option(help="Ray cluster that shares them: address, auto, or local.")] = "",
    fail_if: Annotated[list[str] | None, typer.Option(help="Exit code 1 if so: 'miou<0.60', 'p95_ms>80'.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Label every frame of one or more drives once, in order, and say what the answers are worth.

    Started again after a kill or Ctrl-C, it goes on where it was. Exit code 1 if a bag is damaged, the replay
    was interrupted, nothing was labelled or a --fail-if holds: the report is then of what could be read.
    """
    from icnet_ros.evaluation.drives import find_drives
    from icnet_ros.evaluation.fleet import run
    from icnet_ros.evaluation.gate import Gate, failures, figures, names
    from icnet_ros.evaluation.outputs import Outputs
    from icnet_ros.evaluation.pool import Pool, Processes, Ray
    from icnet_ros.evaluation.selection import Selection
    from icnet_ros.evaluation.viewer import require_rerun

    spec = load_model_spec(model)
    gates = [Gate.parse(text, names(spec.classes.names)) for text in fail_if or ()]
    selection = Selection(
        "", truth_topic, str(truth or ""), str(mapping or ""), start, end, stride, limit, sync_tolerance
    )
    drives = find_drives(bags or (), fleet, out, selection, image_topic or ())
    if not (math.isfinite(start) and math.isfinite(sync_tolerance)) or math.isnan(end):
        raise typer.BadParameter("--start and --sync-tolerance are finite, --end is a number")
    if rerun:
        require_rerun()
    if rerun and len(drives) > 1:
        raise typer.BadParameter("--rerun takes one drive")
    if truth and len(drives) > 1:
        raise typer.BadParameter("--truth belongs to one drive: name one bag, and one camera with --image-topic")
    if not spec.trained:
        errors.print("[yellow]The network is untrained: its labels mean nothing. Name a checkpoint: --model[/]")
    pool: Callable[[bool], Pool] | None = None
    if ray:
        pool = lambda gpu: Ray(ray, workers, threads, gpu=gpu)  # noqa: E731
    elif workers > 1:
        pool = lambda gpu: Processes(workers, threads)  # noqa: E731
    options = EngineOptions(device, precision, exit_, threads)
    with progress_bar("replaying") as update:
        verdict = run(
            drives, model, engine, options, Outputs(confidence=confidence, overlay=overlay, video=video), out, update,
            pool=pool, resume=resume, rerun=rerun,
        )  # fmt: skip
    answer = verdict.report
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        _print(answer, verdict.page)
    broken = failures(gates, figures(answer))
    for reason in broken:
        errors.print(f"[bold red]failed:[/] {reason}", highlight=False)
    if not answer["complete"]:
        _explain(answer)
    if not answer["frames"]["labelled"]:
        reason = "; ".join(answer["problems"]) or "no frame lies in what --start, --end, --stride and --limit leave"
        errors.print(f"[bold red]nothing was labelled:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    if broken or not answer["complete"] or not answer["frames"]["labelled"]:
        raise typer.Exit(1)


def _print(answer: dict[str, Any], page: Path) -> None:
    bags = answer["bag"]
    title = bags if isinstance(bags, str) else f"{len(bags)} drives"
    table = Table("class", "share of pixels", "flicker", "IoU", title=escape(title), title_justify="left")
    for name, share in answer["coverage"].items():
        iou = answer["per_class"][name] if answer["per_class"] else None
        restless = answer["flicker"][name]
        table.add_row(
            name, f"{share:6.1%}", "-" if restless is None else f"{restless:6.1%}", "-" if iou is None else f"{iou:.3f}"
        )
    console.print(table)
    score = "" if answer["miou"] is None else f", mIoU {answer['miou']:.4f}"
    speed = "" if answer["throughput_fps"] is None else f", {answer['throughput_fps']:.1f} frames/s"
    console.print(f"{answer['frames']['labelled']} frames{score}{speed}; open {page}", highlight=False)


def _explain(answer: dict[str, Any]) -> None:
    reasons = [f"{entry['drive']}: {entry['problem']}" for entry in answer.get("drives", ()) if entry["problem"]]
    for reason in reasons or [answer["damage"] or "interrupted; the same command goes on from here"]:
        errors.print(f"[yellow]incomplete: {escape(reason)}[/]", highlight=False, soft_wrap=True)
