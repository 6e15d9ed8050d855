"""`icnet model list|pull|index|coarse-fusion`: models by name, and a cheaper form of one."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import model_path
from icnet_ros.checkpoint.file import open_checkpoint, replace_spec
from icnet_ros.checkpoint.model_index import (
    INDEX,
    MIRROR,
    download_folder,
    find_model,
    make_index,
    pull,
    shipped_index,
)
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.console import console, progress_bar
from icnet_ros.files import write_text

app = typer.Typer(help="Models by name: those here, and those that a mirror has.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """Show the models that are shipped or were downloaded, and those that can be downloaded."""
    entries = shipped_index()
    found = {path.stem: path for path in sorted(download_folder().glob("*.safetensors"))}
    table = Table("model", "", "size", "where")
    for name in sorted({*entries, *found}):
        path = find_model(name)
        entry = entries.get(name)
        size = sum(file.bytes for file in entry.files) if entry else found[name].stat().st_size
        where = str(path) if path else f"icnet model pull {name}"
        table.add_row(name, entry.description if entry else "", f"{size / 1e6:.0f} MB", where)
    console.print(table)


@app.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    mirror: Annotated[str, typer.Option(help=f"Folder or http(s) address of the models; default: ${MIRROR}.")] = "",
    to: Annotated[Path | None, typer.Option(help="Folder to download to; default: $ICNET_MODELS.")] = None,
) -> None:
    """Download a model, check its hashes, and keep it where --model and the node find it by name."""
    with progress_bar("downloading") as update:
        path = pull(name, mirror or os.environ.get(MIRROR, ""), to or download_folder(), update)
    console.print(f"{name} is in {path}")


@app.command("index")
def write_index(folder: Annotated[Path, typer.Argument(help="Folder of .safetensors checkpoints.")]) -> None:
    """Write index.yaml of a folder of models, so that it can serve as a mirror."""
    write_text(folder / INDEX, make_index(folder))
    console.print(f"{folder / INDEX} is written")


@app.command("coarse-fusion")
def coarse_fusion(
    model: Annotated[str, typer.Argument(help="Checkpoint or name of an ICNet with fusion cff.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Checkpoint to write, .safetensors.")],
) -> None:
    """Let the fusion units convolve coarse maps before they are upsampled: less work, nearly the same labels."""
    checkpoint = open_checkpoint(model_path(model) or model)
    spec, path = checkpoint.spec, checkpoint.path
    if path is None or (spec.architecture, spec.fusion) != ("icnet", "cff"):
        raise CheckpointError(
            f"{model}: {spec.architecture} with fusion {spec.fusion}; only an icnet with cff has this form"
        )
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out}: a checkpoint is a .safetensors file")
    training = {**spec.training, "coarse_fusion_of": {"name": checkpoint.name, "sha256": checkpoint.sha256}}
    replace_spec(path, replace(spec, fusion="cff_coarse", training=training, metrics={}), out)
    console.print(f"{out} is written; evaluate it, and quantize it anew")
