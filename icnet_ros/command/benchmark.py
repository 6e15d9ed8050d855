"""`icnet benchmark`: speed and memory as ratios within one run."""

import json
import os
import platform
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import Data, Root
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineError, EngineOptions
from icnet_ros.engine.table import ENGINES
from icnet_ros.share import share

app = typer.Typer(help="Speed and memory as ratios within one run.", no_args_is_help=True)

Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: all cores.")]
Rounds = Annotated[int, typer.Option(min=1, help="Each contestant runs once a round; medians count.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
Model = Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")]
Picture = Annotated[
    Path | None, typer.Option(help="The frame, resized to each size; a shipped photograph if not given.")
]


@app.callback()
def group() -> None:
    """Speed and memory as ratios within one run."""


@app.command()
def paper(
    only: Annotated[list[str] | None, typer.Option(help="Tables by a part of their name; repeat for several.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    shrink: Annotated[int, typer.Option(min=1, help="Divide image sides, for a quick look.")] = 1,
    threads: Threads = 0,
    rounds: Rounds = 5,
    out: Json = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the ratios.")] = None,
) -> None:
    """Tables 1, 2, 3, 5, 6 and figure 5: time, memory, multiply-accumulates beside the paper's."""
    from icnet_ros.benchmark.paper import ROWS, measure
    from icnet_ros.benchmark.pictures import draw_ratios

    rows = [row for row in ROWS if not only or any(part in row.table for part in only)]
    with progress_bar("warming up") as update:
        answers = measure(rows, device, threads or _cores(), rounds, update, shrink)
    time = Table("", "ms", "faster", "in the paper", "GMAC", "less", title="time", title_justify="left")
    space = Table("", "all kept", "less", "in the paper", "peak", "less", title="activations, MB", title_justify="left")
    name = ""
    for row in answers:
        if row["table"] != name:
            name = row["table"]
            for table in (time, space):
                table.add_section()
                table.add_row(f"[bold]{name}[/]")
        faster = f"{row['ms']:.1f}", f"{row['speedup']:.2f}", f"{row['paper_speedup']:.2f}"
        time.add_row(row["name"], *faster, f"{row['gmac']:.1f}", f"{row['mac_ratio']:.2f}")
        said = f"{row['paper_memory_ratio']:.1f}" if row["paper_memory_ratio"] else ""
        peak = f"{row['peak_mb']:.0f}", f"{row['peak_ratio']:.1f}"
        space.add_row(row["name"], f"{row['kept_mb']:.0f}", f"{row['kept_ratio']:.1f}", said, *peak)
    console.print(time, space)
    _write(out, {"device": device, "shrink": shrink, "rounds": rounds, "threads": threads or _cores(), "rows": answers})
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        shrunken = f", image sides divided by {shrink}" if shrink > 1 else ""
        draw_ratios(answers, picture, f"ICNet and PSPNet50 on {device}{shrunken}")


@app.command()
def layers(
    size: Annotated[list[str] | None, typer.Option(help="HEIGHTxWIDTH; repeat for several.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    threads: Threads = 0,
    rounds: Rounds = 5,
    out: Json = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the times.")] = None,
) -> None:
    """Figure 1b: time of each stage of PSPNet50, at 1024x2048 and 512x1024 if no size is given."""
    import torch

    from icnet_ros.benchmark.layers import layers as measure
    from icnet_ros.benchmark.pictures import draw_layers

    torch.set_num_threads(threads or _cores())
    sizes = [_size(text) for text in size or ("1024x2048", "512x1024")]
    with progress_bar("warming up") as update:
        rows = measure(sizes, device, rounds, update)
    table = Table("size", "stage", "ms", "GMAC", "ms a block", "GMAC a block")
    for row in rows:
        figures = (f"{row[key]:.1f}" for key in ("ms", "gmac", "ms_per_block", "gmac_per_block"))
        table.add_row("{}x{}".format(*row["size"]), row["stage"], *figures)
    console.print(table)
    _write(out, {"device": device, "rounds": rounds, "threads": threads or _cores(), "rows": rows})
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_layers(rows, picture, f"PSPNet50 on {device}")


@app.command()
def engines(
    engine: Annotated[list[str] | None, typer.Option(help="Repeat for several; all if not given.")] = None,
    exit_: Annotated[list[str] | None, typer.Option("--exit", help="Repeat for several; sub124 if not given.")] = None,
    size: Annotated[list[str] | None, typer.Option(help="HEIGHTxWIDTH; repeat for several.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "cpu",
    model: Model = "",
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 7,
    out: Json = None,
) -> None:
    """The whole path from frame to label map: engines beside eager torch + interpolate + argmax."""
    from icnet_ros.benchmark.engines import SIZES, compare, start

    sizes = [_size(text) for text in size] if size else SIZES
    options = EngineOptions(device, precision, threads=threads or _cores())
    names = engine or list(ENGINES)
    with progress_bar("building engines") as update:
        rows = compare(load_model(model), names, exit_ or ["sub124"], sizes, _read(frame), options, rounds, update)
        update("starting each engine anew", 0, 0)
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
    table = Table("engine", "first label after", "peak memory", title="a new process, its files in the cache")
    for name, values in starts.items():
        table.add_row(name, f"{values['first_label_s']:.1f} s", f"{values['peak_mb']:.0f} MB")
    console.print(table)
    _write(out, {"threads": options.threads, "precision": precision, "rounds": rounds, "rows": rows, "starts": starts})


@app.command()
def peers(
    peer: Annotated[list[Path], typer.Option(help="ONNX file of another network, N x 3 x H x W; repeat for several.")],
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH.")] = "1024x2048",
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime.")] = "openvino",
    exit_: Annotated[list[str] | None, typer.Option("--exit", help="Repeat for several; sub124 if not given.")] = None,
    model: Model = "",
    threads: Threads = 0,
    rounds: Rounds = 9,
    out: Json = None,
) -> None:
    """Other networks beside ours, without what comes before and after: same engine, same threads, fp32."""
    from icnet_ros.benchmark.peers import compare_peers

    with progress_bar("building engines") as update:
        rows = compare_peers(
            load_model(model), exit_ or ["sub124"], peer, engine, _size(size), threads or _cores(), rounds, update
        )
    table = Table("network", "ms", "times ours")
    for row in rows:
        figures = ("", row["error"]) if "error" in row else (f"{row['ms']:.1f}", f"{row['ratio']:.2f}")
        table.add_row(row["name"], *figures)
    console.print(table)
    _write(out, {"engine": engine, "size": _size(size), "threads": threads or _cores(), "rounds": rounds, "rows": rows})


@app.command()
def agreement(
    data: Data,
    root: Root = None,
    split: Annotated[str, typer.Option(help="train, val, ...")] = "val",
    engine: Annotated[list[str] | None, typer.Option(help="Repeat for several; onnxruntime if not given.")] = None,
    exit_: Annotated[str, typer.Option("--exit", help="sub4, sub24, sub124.")] = "sub124",
    model: Model = "",
    threads: Threads = 0,
    out: Json = None,
) -> None:
    """Share of the pixels of a dataset that an engine labels as engine torch does, in fp32 on the CPU."""
    from icnet_ros.benchmark.engines import agreement as measure

    options = EngineOptions("cpu", "fp32", exit_, threads or _cores())
    images = open_dataset(data, root, split)
    with progress_bar("building engines") as update:
        shares = measure(load_model(model), engine or ["onnxruntime"], images, options, update)
    for name, value in shares.items():
        console.print(f"{name}: {value:.5%} of the pixels as torch labels them", highlight=False)
    _write(out, {"dataset": data, "split": split, "exit": exit_, "agreement": shares})


@app.command()
def stages(
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH.")] = "1024x2048",
    model: Model = "",
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 15,
    out: Json = None,
) -> None:
    """Decode, preprocess, postprocess, overlay, encode: each beside the plain way to do it."""
    from icnet_ros.benchmark.stages import stages as measure

    height, width = _size(size)
    with progress_bar("warming up") as update:
        pixels = cv2.resize(_read(frame), (width, height))
        rows = measure(load_model(model), pixels, threads or _cores(), rounds, update)
    table = Table("stage", "ms", "plain ms", "faster", "pixels different")
    for row in rows:
        values = [row["plain_ms"], row["speedup"]]
        shown = ["" if value is None else f"{value:.1f}" for value in values]
        different = "" if row["different"] is None else str(row["different"])
        table.add_row(row["stage"], f"{row['ms']:.2f}", *shown, different)
    console.print(table)
    _write(out, {"threads": threads or _cores(), "size": [height, width], "rounds": rounds, "rows": rows})


def _read(frame: Path | None) -> Any:
    path = frame or share("demo", "leuvenA.jpg")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise EngineError(f"{path}: not a readable picture")
    return picture


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise typer.BadParameter(f"size is {text!r}, it takes HEIGHTxWIDTH, e.g. 720x1280")
    return int(height), int(width)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _write(out: Path | None, answer: dict[str, Any]) -> None:
    from icnet_ros.engine.host import cpu_name

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        machine = {"processor": cpu_name(), "python": platform.python_version()}
        out.write_text(json.dumps({"machine": machine, **answer}, indent=2) + "\n")
