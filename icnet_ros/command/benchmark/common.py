"""Options and helpers of the benchmark commands."""

import json
import os
import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from icnet_ros.checkpoint.default import model_path
from icnet_ros.files import write_text
from icnet_ros.share import share
from icnet_ros.wire.pictures import picture_file

Rounds = Annotated[int, typer.Option(min=1, help="Number of rounds; the medians are reported.")]
Picture = Annotated[
    Path | None, typer.Option(help="The frame, resized to each size; a shipped photograph if not given.")
]
Size = Annotated[str, typer.Option("--size", help="HEIGHTxWIDTH.")]
Sizes = Annotated[list[str] | None, typer.Option("--size", help="HEIGHTxWIDTH; repeat for several.")]
Frames = Annotated[int, typer.Option(min=1, help="Images that are sent.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Hz.")]
Seconds = Annotated[float, typer.Option(min=1.0, help="Duration of each run.")]


def read_picture(path: Path | None) -> picture_file.UInt8:
    """BGR uint8 (H, W, 3); the shipped photograph if no path is given. Raises WireError."""
    return picture_file.read_picture(path or share("demo", "leuvenA.jpg"))


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of HEIGHTxWIDTH. Raises BadParameter."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise typer.BadParameter(f"size {text!r} is not HEIGHTxWIDTH, e.g. 720x1280")
    return int(height), int(width)


def node_parameters(model: str, **parameters: Any) -> dict[str, Any]:
    """Parameters of a node under test; without `model`, the node takes the shipped checkpoint."""
    return {**parameters, **({"model": str(model_path(model))} if model else {})}


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


def write_json(out: Path | None, figures: dict[str, Any]) -> None:
    """Write the figures and a description of the machine to `out`, if given."""
    from icnet_ros.engine.backends.host import cpu_name

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        machine = {"processor": cpu_name(), "python": platform.python_version()}
        write_text(out, json.dumps({"machine": machine, **figures}, indent=2) + "\n")
