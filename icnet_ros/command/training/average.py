"""`icnet average`: the mean of the weights of several checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from icnet_ros.checkpoint.file import load, save
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.console import console
from icnet_ros.packages import needed_for


def average(
    checkpoints: Annotated[
        list[str], typer.Argument(help="FILE, or FILE:SHARE with a number; the same for all if not given.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Checkpoint to write, .safetensors.")],
) -> None:
    """Average the weights of checkpoints of one training, or of trainings that began with the same weights.

    The average often is better than each of them. Measure it with `icnet evaluate --save`; the header names the parts.
    """
    with needed_for("averaging", CheckpointError):
        from icnet_ros.training.averaging import average as run
    parts = [_part(text) for text in checkpoints]
    if len(parts) < 2:
        raise typer.BadParameter("an average needs at least two checkpoints")
    spec, weights = run([load(path) for path, _ in parts], [share for _, share in parts])
    save(out, spec, weights, half=True)
    console.print(f"{out}")


def _part(text: str) -> tuple[Path, float]:
    path, separator, share = text.rpartition(":")
    try:
        return (Path(path), float(share)) if separator else (Path(text), 1.0)
    except ValueError:
        return Path(text), 1.0
