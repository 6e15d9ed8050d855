"""`icnet dataset check`: checks that a dataset is complete and shows its content."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import Data, Root, Split
from icnet_ros.dataset.table import open_dataset
from icnet_ros.evaluation.inspect import inspect
from icnet_ros.wire.image import png_file

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
        console.print(f"pairs by source (repeats counted): {counted}")
    console.print(f"unlabelled: {counts[pairs.classes.ignore] / counts.sum():.2%} of all pixels")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(png_file(picture).tobytes())
    console.print(f"contact sheet: {sheet}")
