"""`icnet benchmark engines|agreement|stages|replay`: one network, without ROS."""

from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.benchmark.common import (
    Picture,
    Rounds,
    Size,
    Sizes,
    cores,
    parse_size,
    read_picture,
    write_json,
)
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import (
    Data,
    EngineName,
    EnginePrecision,
    JsonFile,
    Model,
    Root,
    Split,
    Threads,
)
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import ENGINES


def engines(
    engine: Annotated[list[str] | None, typer.Option(help="Repeat for several; all if not given.")] = None,
    exit_: Annotated[list[str] | None, typer.Option("--exit", help="Repeat for several; sub124 if not given.")] = None,
    size: Sizes = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "cpu",
    model: Model = "",
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 7,
    out: JsonFile = None,
) -> None:
    """Time engines from frame to label map, compared with eager torch + interpolate + argmax."""
    from icnet_ros.benchmark.engines import SIZES, compare, start

    sizes = [parse_size(text) for text in size] if size else SIZES
    exits = exit_ or ["sub124"]
    options = EngineOptions(device, precision, exits[0], threads or cores())
    names = engine or list(ENGINES)
    with progress_bar("building engines") as update:
        rows = compare(load_model(model), names, exits, sizes, read_picture(frame), options, rounds, update)
        update("measuring engine start-up", 0, 0)
        known = {row["engine"] for row in rows if "error" not in row} & set(ENGINES)
        starts = {name: start(name, model, options, sizes[0]) for name in sorted(known)} if device == "cpu" else {}
    table = Table("size", "exit", "engine", "ms", "times eager", "same labels")
    for row in rows:
        if "error" in row:
            table.add_row("", row["exit"], row["engine"], "", "", row["error"])
        else:
            figures = f"{row['ms']:.1f}", f"{row['speedup']:.2f}", f"{row['agreement']:.4%}"
            table.add_row(f"{row['height']}x{row['width']}", row["exit"], row["engine"], *figures)
    console.print(table)
    table = Table(
        "engine", "first label after", "peak memory", title=f"a new process, {exits[0]}, its files in the cache"
    )
    for name, values in starts.items():
        table.add_row(name, f"{values['first_label_s']:.1f} s", f"{values['peak_mb']:.0f} MB")
    console.print(table)
    write_json(
        out, {"threads": options.threads, "precision": precision, "rounds": rounds, "rows": rows, "starts": starts}
    )


def agreement(
    data: Data,
    root: Root = None,
    split: Split = "val",
    engine: Annotated[list[str] | None, typer.Option(help="Repeat for several; onnxruntime if not given.")] = None,
    exit_: Annotated[str, typer.Option("--exit", help="sub4, sub24, sub124.")] = "sub124",
    model: Model = "",
    threads: Threads = 0,
    out: JsonFile = None,
) -> None:
    """Share of the pixels of a dataset that an engine labels as engine torch does, in fp32 on the CPU."""
    from icnet_ros.benchmark.engines import agreement as measure

    options = EngineOptions("cpu", "fp32", exit_, threads or cores())
    images = open_dataset(data, root, split)
    with progress_bar("building engines") as update:
        shares = measure(load_model(model), engine or ["onnxruntime"], images, options, update)
    for name, value in shares.items():
        console.print(f"{name}: {value:.5%} of the pixels as torch labels them")
    write_json(out, {"dataset": data, "split": split, "exit": exit_, "agreement": shares})


def stages(
    size: Size = "1024x2048",
    model: Model = "",
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 15,
    out: JsonFile = None,
) -> None:
    """Time decode, preprocess, postprocess, overlay and encode, compared with reference implementations."""
    from icnet_ros.benchmark.stages import stages as measure

    height, width = parse_size(size)
    with progress_bar("warming up") as update:
        pixels = cv2.resize(read_picture(frame), (width, height))
        rows = measure(load_model(model), pixels, threads or cores(), rounds, update)
    table = Table("stage", "ms", "plain ms", "faster", "pixels different")
    for row in rows:
        values = [row["plain_ms"], row["speedup"]]
        shown = ["" if value is None else f"{value:.1f}" for value in values]
        different = "" if row["different"] is None else str(row["different"])
        table.add_row(row["stage"], f"{row['ms']:.2f}", *shown, different)
    console.print(table)
    write_json(out, {"threads": threads or cores(), "size": [height, width], "rounds": rounds, "rows": rows})


def replay(
    bag: Annotated[Path, typer.Argument(help="Recorded drive.")],
    engine: EngineName = "auto",
    precision: EnginePrecision = "fp32",
    frames: Annotated[int, typer.Option(min=2, help="Number of frames of the bag.")] = 60,
    model: Model = "",
    threads: Threads = 0,
    rounds: Rounds = 5,
    out: JsonFile = None,
) -> None:
    """Compare the frames per second of `icnet replay` with those of its engine alone on decoded frames."""
    from icnet_ros.benchmark.replay import measure

    options = EngineOptions(precision=precision, threads=threads)
    with progress_bar("warming up") as update:
        result = measure(bag, load_model(model), engine, options, frames, rounds, update)
    table = Table("", "frames/s")
    for name in ("engine", "engine_with_confidence", "replay"):
        table.add_row(name.replace("_", " "), f"{result[name]:.2f}")
    console.print(table)
    console.print(f"replay over engine: {result['replay_over_engine']:.2f}")
    write_json(out, {"bag": str(bag), "precision": precision, "frames": frames, "rounds": rounds, **result})
