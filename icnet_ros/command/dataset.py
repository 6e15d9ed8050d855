"""`icnet dataset check`: checks that a dataset is complete and shows its content."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from icnet_ros.command.console import console, progress_bar, warn
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
    """Read every pair; print counts, class frequencies and warnings, draw a contact sheet, a PNG."""
    pairs = open_dataset(data, root, split)
    with progress_bar("reading") as update:
        statistics, picture = inspect(pairs, lambda done, total: update("reading", done, total))
    title = f"{pairs.name} {split}: {len(pairs)} pairs"
    table = Table(
        "id", "class", "share of labelled pixels", "images", "place", title=escape(title), title_justify="left"
    )
    counts = statistics.pixels
    labelled = max(1, counts[: len(pairs.classes)].sum())
    for index, name in enumerate(pairs.classes.names):
        images = f"{statistics.images[index]}"
        table.add_row(str(index), escape(name), f"{counts[index] / labelled:8.3%}", images, statistics.place(index))
    console.print(table)
    if len(pairs.sources) > 1:
        counted = ", ".join(f"{len(pairs.select_sources([source]))} {source}" for source in pairs.sources)
        console.print(f"pairs by source (repeats counted): {counted}", highlight=False, markup=False)
    console.print(f"unlabelled: {counts[pairs.classes.ignore] / counts.sum():.2%} of all pixels", highlight=False)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(png_file(picture).tobytes())
    console.print(f"contact sheet: {sheet}", highlight=False, markup=False, soft_wrap=True)
    warn([*pairs.notes, *statistics.warnings(pairs.classes, split)])
