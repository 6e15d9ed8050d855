"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Option(
        "--data", help="Dataset: a dataset.yaml, or camvid, cityscapes, cityscapes-coarse, cocostuff, street."
    ),
]
Root = Annotated[Path | None, typer.Option("--root", help="Folder of the dataset; that of dataset.yaml if not given.")]
Mapping = Annotated[
    str,
    typer.Option(
        "--mapping", help="Score fewer classes: cityscapes_to_camvid, or a file like those of config/mappings."
    ),
]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Only this source of the dataset; repeat for several.")
]
