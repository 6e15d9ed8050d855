"""`icnet evaluate`: mIoU of a checkpoint on an annotated dataset."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from icnet_ros.command.console import console, progress_bar, warn, warn_untrained
from icnet_ros.command.options import (
    Data,
    EnginePrecision,
    Exit,
    JsonFile,
    Limit,
    Mapping,
    Model,
    Root,
    Rows,
    Sources,
    Split,
)
from icnet_ros.command.requirements import needs_matplotlib
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.files import write_text


def evaluate(
    data: Data,
    root: Root = None,
    split: Split = "val",
    source: Sources = None,
    mapping: Mapping = "",
    model: Model = "",
    scale: Annotated[list[float] | None, typer.Option(min=0.1, max=8.0, help="Input scale; repeatable.")] = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    limit: Limit = 0,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the paper's figures 6, 7 and 8: branches, differences, regions.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder for figures about the confidence: reliability, calibration error, thresholds."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Evaluate one exit as this engine labels it: auto, torch, onnxruntime, openvino.")
    ] = "",
    precision: EnginePrecision = "fp32",
    exit_: Exit = "sub124",
    rows: Rows = 0,
    out: JsonFile = None,
    save: Annotated[bool, typer.Option(help="Store mIoU and accuracy in the checkpoint, as a training does.")] = False,
) -> None:
    """Compute IoU by class and exit from one confusion matrix over the dataset, and mIoU by source.

    --precision, --exit and --rows apply only with --engine. --save is for checkpoints that no training scored, such as
    those of `icnet average`.
    """
    from icnet_ros.engine.artefacts.header import update_metrics
    from icnet_ros.engine.inference import InferenceSettings
    from icnet_ros.evaluation.evaluate import header_metrics
    from icnet_ros.evaluation.evaluate_dataset import EvaluationOptions, evaluate_dataset
    from icnet_ros.evaluation.mapping import load_mapping

    if save and (source or mapping or scale or flip or limit or engine or calibration or split != "val"):
        raise typer.BadParameter(
            "--save stores the figures of all exits on the whole split val: leave out --source, --mapping, --scale, "
            "--flip, --limit, --engine, --calibration and --split"
        )
    needs_matplotlib(figures)
    needs_matplotlib(calibration)
    inference = InferenceSettings(model, engine, EngineOptions(device, precision, exit_, rows=rows))
    checkpoint = inference.load()
    if not checkpoint.spec.trained:
        warn_untrained("figures", model)
    dataset = open_dataset(data, root, split).select_sources(source or ()).subsample(limit)
    options = EvaluationOptions(
        tuple(scale or ()), flip, inference,
        load_mapping(mapping) if mapping else None, figures, calibration,
    )  # fmt: skip
    with progress_bar("evaluating") as update:
        report = evaluate_dataset(checkpoint, dataset, options, lambda done, total: update("evaluating", done, total))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, json.dumps(report, indent=2) + "\n")
    _print(report)
    if calibration is not None:
        _print_calibration(report["calibration"], calibration)
    warn(dataset.notes)
    if report["without_pixels"]:
        warn([f"no pixel is annotated with {', '.join(report['without_pixels'])}: `icnet dataset check` may say why"])
    if save:
        update_metrics(checkpoint, header_metrics(report))
        console.print(f"the figures are stored in {checkpoint.path}", soft_wrap=True)


def _print(report: dict[str, Any]) -> None:
    title = f"IoU, {report['checkpoint']} on {report['dataset']} {report['split']}"
    exits = report["exits"].values()
    table = Table("class", *report["exits"], title=title, title_justify="left")
    for name in report["per_class"]:
        values = [entry["per_class"][name] for entry in exits]
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
    table.add_section()
    for key in ("miou", "pixel_accuracy", "class_accuracy", "frequency_weighted_iou"):
        table.add_row(key, *(_four(entry[key]) for entry in exits))
    for name, part in report["sources"].items():
        table.add_row(f"miou of {name}", *(_four(entry["miou"]) for entry in part.values()))
    console.print(table)


def _four(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _print_calibration(report: dict[str, Any], folder: Path) -> None:
    table = Table("", "pixels", "ECE", "error AUROC", "mean of a frame", title="Confidence", title_justify="left")
    parts = {"all": report["all"], **{f"source {name}": one for name, one in report["sources"].items() if name}}
    for name, one in {**parts, **report["classes"]}.items():
        figures = (one["ece"], one["error_auroc"], one["frame_confidence"])
        table.add_row(name, f"{one['pixels']:,}", *("-" if value is None else f"{value:.3f}" for value in figures))
    console.print(table)
    table = Table("threshold of 255", "errors removed", "correct kept", "wrong of the rest", "road kept", "wrong road")
    road = report["classes"].get("road", {"thresholds": [{}] * len(report["all"]["thresholds"])})
    for row, on_road in zip(report["all"]["thresholds"], road["thresholds"], strict=True):
        values = [row[key] for key in ("errors_removed", "correct_kept", "wrong")]
        values += [on_road.get(key) for key in ("correct_kept", "wrong")]
        table.add_row(str(row["confidence"]), *("-" if value is None else f"{value:.1%}" for value in values))
    console.print(table)
    console.print(f"reliability diagram and all figures: {folder}", soft_wrap=True)
