"""`icnet import`: weights that others published, as a checkpoint."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from icnet_ros.checkpoint.file import save
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.console import console, errors
from icnet_ros.packages import needed_for


def import_weights(
    file: Annotated[Path, typer.Argument(help="A .caffemodel, .npy, .pth or .pkl with the weights of an ICNet.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Checkpoint to write, .safetensors.")],
    classes: Annotated[
        str, typer.Option(help="Class table, by name or a .yaml file; by the number of classes if not given.")
    ] = "",
    windows: Annotated[
        Literal["adaptive", "official"],
        typer.Option(help="Pyramid windows; official: as published, for an input of 1025 x 2049 only."),
    ] = "adaptive",
    stride: Annotated[
        Literal["auto", "reduce", "conv3"],
        typer.Option(help="Layer with the stride in block 3.1; auto: as in the code that the format belongs to."),
    ] = "auto",
) -> None:
    """Convert published weights: Caffe (hszhao), hellochick's .npy, pytorch-semseg, liminn and Tramac.

    Nothing in the file is executed. Weights of other implementations are recognised, and it says where their network
    differs.
    """
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out}: a checkpoint ends with .safetensors")
    with needed_for("importing weights", CheckpointError):
        from icnet_ros.checkpoint.published.convert import import_weights as run

        imported = run(file, classes, windows, "" if stride == "auto" else stride)
    checkpoint = imported.checkpoint
    save(out, checkpoint.spec, checkpoint.weights)
    spec = checkpoint.spec
    exits = ", ".join(spec.exits)
    console.print(f"{imported.format}, width {spec.width:g}, {len(spec.classes)} classes, exits {exits}")
    if imported.unused:
        names = ", ".join(imported.unused[:8]) + (", ..." if len(imported.unused) > 8 else "")
        errors.print(f"{len(imported.unused)} entries are not part of this network: {names}")
    console.print(f"{out}")
