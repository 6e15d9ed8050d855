"""`icnet benchmark engines|peers|agreement|stages|replay`: benchmarks without ROS."""

from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.ladder import MIN_ROWS
from icnet_ros.checkpoint.spec import MAX_ROWS
from icnet_ros.command.benchmark.common import (
    Picture,
    Rate,
    Rounds,
    Seconds,
    Size,
    Sizes,
    cores,
    node_parameters,
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
    Limit,
    Mapping,
    Model,
    Root,
    Sources,
    Split,
    Threads,
)
from icnet_ros.command.requirements import needs_matplotlib, needs_ros
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import ENGINES
from icnet_ros.evaluation.mapping import load_mapping


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


def peers(
    model: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint or ONNX network; repeat for several; the first is the reference."),
    ] = None,
    size: Size = "720x1280",
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime.")] = "openvino",
    exit_: Annotated[list[str] | None, typer.Option("--exit", help="Repeat for several; sub124 if not given.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32, int8; repeat for several.")] = None,
    data: Annotated[str, typer.Option("--data", help="Also measure mIoU on this dataset; see `icnet evaluate`.")] = "",
    root: Root = None,
    split: Split = "val",
    source: Sources = None,
    mapping: Mapping = "",
    limit: Limit = 0,
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 9,
    picture: Annotated[Path | None, typer.Option(help="Draw mIoU against time, as a PNG.")] = None,
    out: JsonFile = None,
) -> None:
    """Compare networks in one table: time from picture to labels, multiply-accumulates, parameters, accuracy.

    All run on the same engine and the same number of threads, alternately. Each sees the picture at the input size that
    it was made for. A network of another kind needs a description beside it, see docs/networks.md.
    """
    from icnet_ros.benchmark.peers import candidates, compare_peers

    needs_matplotlib(picture)
    height, width = parse_size(size)
    checkpoints = [load_model(name) for name in model or [""]]
    networks = candidates(checkpoints, exit_ or ["sub124"], precision or ["fp32"])
    images = open_dataset(data, root, split).select_sources(source or ()).subsample(limit) if data else None
    with progress_bar("building engines") as update:
        rows = compare_peers(
            networks, engine, cv2.resize(read_picture(frame), (width, height)), threads or cores(), rounds, update,
            dataset=images, mapping=load_mapping(mapping) if mapping else None,
        )  # fmt: skip
    table = Table("network", "input", "GMAC", "parameters", "ms", "ratio", "mIoU", "accuracy")
    for row in rows:
        if "error" in row:
            continue
        scores = (f"{row[key]:.3f}" if row.get(key) is not None else "-" for key in ("miou", "pixel_accuracy"))
        shown = "{}x{}".format(*row["input"]), f"{row['gmac']:.1f}", f"{row['parameters'] / 1e6:.2f} M"
        table.add_row(row["name"], *shown, f"{row['ms']:.1f}", f"{row['ratio']:.2f}", *scores)
    console.print(table)
    for row in rows:
        if problem := row.get("error") or row.get("note"):
            console.print(f"{row['name']}: {problem}")
    settings = {"engine": engine, "size": [height, width], "threads": threads or cores(), "rounds": rounds}
    write_json(out, {**settings, "dataset": data, "split": split, "sources": source or [], "rows": rows})
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_peers

        draw_peers(
            [row for row in rows if "error" not in row], picture, f"{engine}, {width}x{height}, {data or 'no data'}"
        )


def sizes(
    data: Data,
    root: Root = None,
    split: Split = "val",
    source: Sources = None,
    mapping: Mapping = "",
    limit: Limit = 0,
    rows: Annotated[
        list[int] | None,
        typer.Option(min=MIN_ROWS, max=MAX_ROWS, help="Rows of the network's input; repeat for several."),
    ] = None,
    exit_: Annotated[list[str] | None, typer.Option("--exit", help="Repeat for several; all if not given.")] = None,
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime, torch.")] = "openvino",
    precision: EnginePrecision = "auto",
    size: Size = "720x1280",
    model: Model = "",
    frame: Picture = None,
    threads: Threads = 0,
    rounds: Rounds = 9,
    picture: Annotated[Path | None, typer.Option(help="Draw mIoU against time, as a PNG.")] = None,
    save: Annotated[bool, typer.Option(help="Store the ladder in the checkpoint, for exit auto.")] = False,
    out: JsonFile = None,
) -> None:
    """Measure mIoU and time of each exit at several input sizes.

    The points that no faster one beats are the ladder from which exit auto chooses under a deadline. With --save it is
    stored in the header of the checkpoint; int8 files beside it stay valid.
    """
    from icnet_ros.benchmark.sizes import ROWS, measure
    from icnet_ros.checkpoint.ladder import make_ladder, to_metrics
    from icnet_ros.engine.artefacts.header import update_metrics

    needs_matplotlib(picture)
    checkpoint = load_model(model)
    height, width = parse_size(size)
    images = open_dataset(data, root, split).select_sources(source or ()).subsample(limit)
    options = EngineOptions("cpu", precision, threads=threads or cores())
    with progress_bar("building engines") as update:
        points = measure(
            checkpoint, engine, list(dict.fromkeys(exit_ or checkpoint.spec.exits)), sorted(set(rows or ROWS)), images,
            cv2.resize(read_picture(frame), (width, height)), options, rounds, update,
            mapping=load_mapping(mapping) if mapping else None,
        )  # fmt: skip
    ladder = make_ladder(points)
    steps = [(step.exit, step.rows) for step in ladder]
    table = Table("exit", "rows", "precision", "ms", "mIoU", "in the ladder")
    for point in points:
        chosen = "yes" if (point["exit"], point["rows"]) in steps else ""
        figures = point["precision"], f"{point['ms']:.1f}", f"{point['miou']:.3f}"
        table.add_row(point["exit"], str(point["rows"]), *figures, chosen)
    console.print(table)
    settings = {"engine": engine, "size": [height, width], "threads": threads or cores(), "rounds": rounds}
    write_json(out, {**settings, "dataset": data, "split": split, "sources": source or [], "points": points})
    if save:
        update_metrics(checkpoint, to_metrics(ladder))
        console.print(f"the ladder is stored in {checkpoint.path}", soft_wrap=True)
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_sizes

        draw_sizes(points, steps, picture, f"{checkpoint.name}, {engine}, {width}x{height}, {data} {split}")


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


def scaling(
    cameras: Annotated[
        list[int] | None, typer.Option(min=1, max=8, help="Numbers of cameras, needs ROS; repeat for several.")
    ] = None,
    rate: Rate = 15.0,
    seconds: Seconds = 10.0,
    bag: Annotated[Path | None, typer.Option(help="Recorded drive, to replay it with 1 and 2 workers.")] = None,
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime, torch.")] = "openvino",
    precision: EnginePrecision = "auto",
    model: Model = "",
    frame: Picture = None,
    rounds: Rounds = 9,
    picture: Annotated[Path | None, typer.Option(help="Draw the curves, as a PNG.")] = None,
    out: JsonFile = None,
) -> None:
    """Measure how time scales with image size and threads and, if asked for, with cameras and replay workers."""
    from icnet_ros.benchmark import scaling

    needs_matplotlib(picture)
    if cameras:
        needs_ros()
    checkpoint, image = load_model(model), read_picture(frame)
    options = EngineOptions("cpu", precision, threads=cores())
    threads = sorted({1, *(count for count in (2, 4, 8, 16) if count < cores()), cores()})
    results = {}
    with progress_bar("building engines") as update:
        results["size"] = scaling.by_size(checkpoint, engine, image, options, rounds, update)
        results["threads"] = scaling.by_threads(checkpoint, engine, image, options, threads, rounds, update)
        if cameras:
            parameters = node_parameters(model, engine=engine, precision=precision)
            results["cameras"] = scaling.by_cameras(cameras, rate, (360, 480), seconds, parameters, update)
        if bag is not None:
            results["workers"] = scaling.by_workers(bag, model, engine, precision, cores(), (1, 2), update)
    for result in results.values():
        table = Table(*result["points"][0])
        for point in result["points"]:
            table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in point.values()))
        console.print(table)
    size, share = results["size"], results["threads"]["serial_share"]
    console.print(
        f"ms = {size['offset_ms']:.1f} + {size['ms_per_megapixel']:.1f} * megapixels, R2 {size['r2']:.4f}; "
        f"serial share with {threads[-1]} threads: {'-' if share is None else format(share, '.0%')}"
    )  # fmt: skip
    write_json(out, {"engine": engine, "precision": precision, "rounds": rounds, **results})
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_scaling

        draw_scaling(results, picture, f"{checkpoint.name}, {engine}, precision {precision}, {cores()} cores")


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
