"""`icnet info`: shows the metadata of a checkpoint or an ONNX network."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from icnet_ros.checkpoint.default import model_path
from icnet_ros.checkpoint.file import load_spec
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.console import console
from icnet_ros.engine.base import EngineError


def info(
    model: Annotated[
        str, typer.Argument(help="Checkpoint (.safetensors), network (.onnx) or name; the default model if not given.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the header as JSON.")] = False,
) -> None:
    """Show the metadata of a checkpoint or ONNX network: architecture, classes, training, metrics.

    The exit code is 1 if the network's output cannot be used; --json does not look at that.
    """
    path = model_path(model)
    if path is None:
        raise CheckpointError("no checkpoint is shipped with this installation: name one")
    spec = load_spec(path)
    if json:
        print(spec.to_json())
        return
    table = Table("property", "value", title=str(path), title_justify="left")
    of_network = ("input_size", "size_multiple")
    of_icnet = ("width", "exits", "windows", *(("fusion", "blocks", "widths") if spec.architecture == "icnet" else ()))
    for name in (
        "architecture",
        *(of_network if spec.architecture == "onnx" else of_icnet),
        "trained",
        "input_scale",
        "frame_height",
        "channel_order",
        "mean",
        "std",
    ):
        value = getattr(spec, name)
        shown = (
            ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
            if isinstance(value, tuple)
            else str(value)
        )
        table.add_row(name, "any" if value is None else shown)
    unusable = False
    if spec.architecture == "onnx":
        rows, unusable = _network(path)
        for name, text in rows:
            table.add_row(name, text)
    for title, values in (("training", spec.training), ("metrics", spec.metrics)):
        for key, value in values.items():
            table.add_row(f"{title}.{key}", str(value))
    table.add_row("data licence", spec.data_licence or "not stated")
    console.print(table)
    classes = Table("id", "class", "colour", title=f"classes: {spec.classes.name}", title_justify="left")
    for index, (name, colour) in enumerate(zip(spec.classes.names, spec.classes.colours, strict=True)):
        classes.add_row(str(index), name, Text(" " * 6, f"on rgb({colour[0]},{colour[1]},{colour[2]})"))
    console.print(classes)
    if unusable:
        raise typer.Exit(1)


def _network(path: Path) -> tuple[list[tuple[str, str]], bool]:
    """What is known of a network that is not ICNet: its normalisation, its output, and what the engine replaces.

    Also whether its output cannot be used. Runs the network on pictures of noise, unless that is in the cache.
    """
    from icnet_ros.checkpoint.file import open_checkpoint
    from icnet_ros.checkpoint.onnx_file import read_onnx

    rows = [("normalisation inside", str(read_onnx(path).head))]
    try:
        from icnet_ros.engine.artefacts.export import onnx_file
        from icnet_ros.engine.artefacts.onnx_adapter import read_tail

        with console.status("running the network on pictures of noise"):
            tail = read_tail(onnx_file(open_checkpoint(path), "sub124"))
    except EngineError as err:
        return [*rows, ("output", f"cannot be used: {err}")], True
    except ModuleNotFoundError as err:
        return [*rows, ("output", f"not looked at: {err}")], False
    rows += [("output", f"{tail.kind}, {tail.layout}"), ("done by the engine", str(tail))]
    if tail.moved:
        rows.append(("moved before interpolations", ", ".join(tail.moved)))
    if tail.interpolation is None and tail.kind != "labels":
        corners = "aligned" if load_spec(path).align_corners else "not aligned"
        rows.append(("interpolation to the image", f"bilinear, corners {corners}"))
    if tail.cut:
        rows.append(("equal labels", f"{tail.equal:.4%} of those of the whole network"))
    return [*rows, *([("not done by the engine", tail.reason)] if tail.reason else [])], False
