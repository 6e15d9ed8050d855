"""`icnet dataset`: checks annotated images, and lets a teacher network label others."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, progress_bar, warn_untrained
from icnet_ros.command.options import Data, Root, Split
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.pseudo_labels import encode
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.evaluation.inspect import inspect
from icnet_ros.wire.image import png_file
from icnet_ros.wire.picture_file import read_picture

app = typer.Typer(help="Annotated images on disk.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Annotated images on disk."""


@app.command()
def check(
    data: Data,
    root: Root = None,
    split: Split = "train",
    sheet: Annotated[Path, typer.Option(help="Where to put the contact sheet.")] = Path("out/dataset.png"),
) -> None:
    """Read every pair; print the counts and class frequencies, draw a contact sheet, a PNG."""
    pairs = open_dataset(data, root, split)
    with progress_bar("reading") as update:
        counts, picture = inspect(pairs, lambda done, total: update("reading", done, total))
    table = Table(
        "id",
        "class",
        "share of labelled pixels",
        title=f"{pairs.name} {split}: {len(pairs)} pairs",
        title_justify="left",
    )
    labelled = max(1, counts[: len(pairs.classes)].sum())
    for index, name in enumerate(pairs.classes.names):
        table.add_row(str(index), name, f"{counts[index] / labelled:8.3%}")
    console.print(table)
    if len(pairs.sources) > 1:
        counted = ", ".join(f"{len(pairs.select_sources([source]))} {source}" for source in pairs.sources)
        console.print(f"pairs by source (repeats counted): {counted}", highlight=False)
    console.print(f"unlabelled: {counts[pairs.classes.ignore] / counts.sum():.2%} of all pixels", highlight=False)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(png_file(picture).tobytes())
    console.print(f"contact sheet: {sheet}", highlight=False)


@app.command("pseudo-label")
def pseudo_label(
    model: Annotated[str, typer.Option(help="The teacher: a checkpoint, .onnx network, or name of a model.")],
    images: Annotated[Path, typer.Option(help="Folder of JPEG or PNG images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the predictions; complete ones are kept.")],
    pattern: Annotated[str, typer.Option(help="Which images of the folder.")] = "*",
    rows: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Rows of the network's input; repeatable. 0: its own."),
    ] = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image.")] = True,
    engine: Annotated[str, typer.Option(help="auto, torch, onnxruntime, openvino.")] = "auto",
) -> None:
    """Predict each image with a teacher network; for `teacher:` of a source in a dataset.yaml.

    The files hold the two most probable classes of each pixel and their shares. Look at the predictions before a
    training learns from them: `icnet segment` draws them.
    """
    from icnet_ros.engine.table import open_engine
    from icnet_ros.evaluation.pseudo_label import mean_probabilities

    if not images.is_dir():
        raise DatasetError(f"{images}: no such folder")
    files = sorted(path for path in images.glob(pattern) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise DatasetError(f"{images}: no {pattern} images in this folder")
    checkpoint = load_model(model)
    if not checkpoint.spec.trained:
        warn_untrained("predictions", model)
    engines = [
        open_engine(engine, checkpoint, EngineOptions(exit=checkpoint.spec.exits[-1], rows=height))
        for height in rows or [0]
    ]
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar("predicting") as update:
        for number, file in enumerate(files, 1):
            target = out / f"{file.stem}.png"
            if not target.exists():
                content = encode(mean_probabilities(engines, read_picture(file), flip=flip))
                unfinished = target.with_suffix(".part")
                unfinished.write_bytes(content.tobytes())
                unfinished.rename(target)
            update("predicting", number, len(files))
    console.print(f"predictions of {len(files)} images: {out}", highlight=False, markup=False, soft_wrap=True)
