"""`icnet dataset`: convert exports of labelling tools, check and compare datasets, label images with a teacher."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.console import console, progress_bar, warn
from icnet_ros.command.label_sets import diff, stats
from icnet_ros.command.options import Data, Root, Split
from icnet_ros.command.pseudo_label import pseudo_label
from icnet_ros.dataset.convert import FILE, convert
from icnet_ros.dataset.formats.table import FORMATS
from icnet_ros.dataset.table import open_dataset

app = typer.Typer(help="Annotated images on disk.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Annotated images on disk."""


Background = Annotated[
    str, typer.Option(help="Class of the pixels without a label, e.g. background; they count nowhere if not given.")
]
FormatName = Annotated[str, typer.Option("--format", help=f"Instead of recognising it: {', '.join(FORMATS)}.")]
Classes = Annotated[str, typer.Option(help="Class table of an export that names no classes: a name, or a .yaml file.")]


@app.command("convert")
def convert_folder(
    folder: Annotated[Path, typer.Argument(help="Export of a labelling tool, or a public data set.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; FOLDER/dataset.yaml by default.")
    ] = None,
    format_: FormatName = "",
    background: Background = "",
    classes: Classes = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier dataset.yaml and its labels.")
    ] = False,
) -> None:
    """Recognise an export and write its dataset.yaml. Images are not copied; polygons become label files beside it."""
    with progress_bar("drawing labels") as update:
        done = convert(
            folder, out, name=format_, background=background, classes=classes, overwrite=overwrite,
            progress=lambda done, total: update("drawing labels", done, total),
        )  # fmt: skip
    console.print(f"{done.format.title}: {done.file}", soft_wrap=True)
    for note in done.notes:
        console.print(f"  {note}", soft_wrap=True)
    console.print(f"next: icnet dataset check {done.file}", soft_wrap=True)


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="A dataset.yaml, or a folder as `convert` takes it, instead of --data.")
    ] = None,
    data: Data = "",
    root: Root = None,
    split: Split = "train",
    sheet: Annotated[Path, typer.Option(help="Where to put the contact sheet.")] = Path("out/dataset.png"),
    format_: FormatName = "",
    background: Background = "",
    classes: Classes = "",
) -> None:
    """Read every pair; print counts, class frequencies and warnings, draw a contact sheet, a PNG.

    A folder without a dataset.yaml is converted first.
    """
    from icnet_ros.evaluation.inspect import inspect
    from icnet_ros.wire.image import png_file

    if (folder is None) == (not data):
        raise typer.BadParameter("name a folder or a dataset.yaml, or a dataset with --data")
    if folder is not None and folder.is_dir() and not (folder / FILE).exists():
        convert_folder(folder, None, format_, background, classes)
    pairs = open_dataset(data or str(folder), root, split)
    with progress_bar("reading") as update:
        statistics, picture = inspect(pairs, lambda done, total: update("reading", done, total))
    title = f"{pairs.name} {split}: {len(pairs)} pairs"
    table = Table("id", "class", "share of labelled pixels", "images", "place", title=title, title_justify="left")
    counts = statistics.pixels
    labelled = max(1, counts[: len(pairs.classes)].sum())
    for index, name in enumerate(pairs.classes.names):
        images = f"{statistics.images[index]}"
        table.add_row(str(index), name, f"{counts[index] / labelled:8.3%}", images, statistics.place(index))
    console.print(table)
    if len(pairs.sources) > 1:
        counted = ", ".join(f"{len(pairs.select_sources([source]))} {source}" for source in pairs.sources)
        console.print(f"pairs by source (repeats counted): {counted}")
    console.print(f"unlabelled: {counts[pairs.classes.ignore] / counts.sum():.2%} of all pixels")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(png_file(picture).tobytes())
    console.print(f"contact sheet: {sheet}", soft_wrap=True)
    warn([*pairs.notes, *statistics.warnings(pairs.classes, split)])


app.command()(stats)
app.command()(diff)
app.command()(pseudo_label)
