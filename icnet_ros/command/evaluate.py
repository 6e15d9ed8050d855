"""`icnet evaluate`: mIoU of a checkpoint on an annotated dataset."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.command.options import Data, Mapping, Root, Sources
from icnet_ros.dataset.base import Dataset
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineError, EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.evaluate import Progress, by_source, report
from icnet_ros.evaluation.mapping import folding, load_mapping


def evaluate(
    data: Data,
    root: Root = None,
    source: Sources = None,
    mapping: Mapping = "",
    split: Annotated[str, typer.Option(help="train, val, ...")] = "val",
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    scale: Annotated[list[float] | None, typer.Option(min=0.1, max=8.0, help="Repeat for several.")] = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    limit: Annotated[int, typer.Option(min=0, help="At most so many images, evenly spread; 0: all.")] = 0,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the paper's figures 6, 7 and 8: branches, differences, regions.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Evaluate one exit as this engine labels it: auto, torch, onnxruntime, openvino.")
    ] = "",
    precision: Annotated[str, typer.Option(help="Of --engine: fp32, fp16, bf16, int8.")] = "fp32",
    exit_: Annotated[str, typer.Option("--exit", help="Of --engine: sub4, sub24, sub124.")] = "sub124",
    out: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """IoU by class and exit, over one confusion matrix for the whole set."""
    from icnet_ros.evaluation.branches import BranchPictures
    from icnet_ros.evaluation.evaluate import evaluate as evaluate_exits
    from icnet_ros.evaluation.evaluate import evaluate_engine
    from icnet_ros.evaluation.regions import RegionAccuracy, draw_regions

    checkpoint = load_model(model)
    if not checkpoint.spec.trained:
        errors.print("[yellow]The network is untrained: its figures mean nothing. Name a checkpoint: --model[/]")
    dataset = open_dataset(data, root, split).of_sources(source or ()).evenly(limit)
    fold = load_mapping(mapping) if mapping else None
    classes = folding(checkpoint.spec.classes, dataset.classes, fold, dataset.name).classes
    if engine and (flip or figures or (scale and len(scale) > 1)):
        raise EngineError("--engine labels each image once: leave out --flip, --figures and the second --scale")
    if figures and fold:
        raise EngineError("--figures shows the checkpoint's own classes: leave out --mapping")
    regions = RegionAccuracy(checkpoint.spec.exits, len(dataset.classes))
    pictures = BranchPictures(checkpoint.spec, len(dataset))
    if engine:
        options = EngineOptions(device, precision, exit_, scale=scale[0] if scale else 0.0)
        built = open_engine(engine, checkpoint, options)

    def run(part: Dataset, told: Progress) -> dict[str, ConfusionMatrix]:
        if engine:
            return {exit_: evaluate_engine(built, part, told, mapping=fold)}
        observers = (regions.update, pictures.update) if figures else ()
        return evaluate_exits(
            checkpoint, part, told,
            scales=scale or (), flip=flip, device=device, mapping=fold, observers=observers,
        )  # fmt: skip

    with progress_bar("evaluating") as update:
        matrices, sources = by_source(dataset, run, lambda done, total: update("evaluating", done, total))
    answer = report(checkpoint, dataset, matrices, classes, sources if len(sources) > 1 else None)
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        pictures.save(figures)
        (figures / "regions.json").write_text(json.dumps(regions.report(), indent=2) + "\n")
        if len(checkpoint.spec.exits) > 1:
            draw_regions(regions.report(), figures / "regions.png")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(answer, indent=2) + "\n")
    table = Table(
        "class", *answer["exits"], title=f"IoU, {checkpoint.name} on {dataset.name} {split}", title_justify="left"
    )
    for name in classes.names:
        values = [entry["per_class"][name] for entry in answer["exits"].values()]
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
    table.add_section()
    for key in ("miou", "pixel_accuracy", "class_accuracy", "frequency_weighted_iou"):
        table.add_row(key, *(f"{entry[key]:.4f}" for entry in answer["exits"].values()))
    for name, part in answer["sources"].items():
        table.add_row(f"miou of {name}", *(f"{entry['miou']:.4f}" for entry in part.values()))
    console.print(table)
