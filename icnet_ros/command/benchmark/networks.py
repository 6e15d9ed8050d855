"""`icnet benchmark peers|sizes|scaling`: several networks, input sizes, loads."""

from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.table import Column, Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.ladder import MIN_ROWS, load_beside
from icnet_ros.checkpoint.spec import MAX_ROWS
from icnet_ros.command.benchmark.common import (
    Picture,
    Rate,
    Rounds,
    Seconds,
    Size,
    cores,
    node_parameters,
    parse_size,
    read_picture,
    write_json,
)
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import (
    Data,
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
from icnet_ros.evaluation.mapping import load_mapping


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
    alone: Annotated[
        bool, typer.Option(help="Also time each .onnx file as it is in OpenVINO, with its own tail and NumPy's argmax.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw mIoU against time, as a PNG.")] = None,
    out: JsonFile = None,
) -> None:
    """Compare networks in one table: time from picture to labels, multiply-accumulates, parameters, accuracy.

    All run on the same engine and the same number of threads, alternately. Each sees the picture at the input size that
    it was made for. CPU ms is the time of all threads, for a machine that is busy with other things; ratios are medians
    of those of each round. GMAC and parameters are those of the network as it runs. A network of another kind needs a
    description beside it, see docs/networks.md. Exit code 1: one of them did not run at all.
    """
    from icnet_ros.benchmark.networks.peers import candidates, compare_peers

    needs_matplotlib(picture)
    height, width = parse_size(size)
    checkpoints = [load_model(name) for name in model or [""]]
    networks = candidates(checkpoints, exit_ or ["sub124"], precision or ["fp32"])
    images = open_dataset(data, root, split).select_sources(source or ()).subsample(limit) if data else None
    with progress_bar("building engines") as update:
        rows = compare_peers(
            networks, engine, cv2.resize(read_picture(frame), (width, height)), threads or cores(), rounds, update,
            dataset=images, mapping=load_mapping(mapping) if mapping else None, alone=alone,
        )  # fmt: skip
    network = Column("network", overflow="fold")
    table = Table(network, "input", "GMAC", "M par.", "ms", "CPU ms", "ratio", "mIoU", "accuracy")
    for row in rows:
        if "error" in row:
            continue
        scores = (f"{row[key]:.3f}" if row.get(key) is not None else "-" for key in ("miou", "pixel_accuracy"))
        shown = "{}x{}".format(*row["input"]), f"{row['gmac']:.1f}", f"{row['parameters'] / 1e6:.2f}"
        times = f"{row['ms']:.1f}", f"{row['cpu_ms']:.1f}", "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        table.add_row(row["name"], *shown, *times, *scores)
    console.print(table)
    if alone:
        title = "the .onnx files in OpenVINO alone"
        table = Table(
            network, "ms", "alone, ms", "ratio", "CPU ms", "alone, CPU ms", "ratio", "same labels", title=title
        )
        for row in (row for row in rows if "alone_ms" in row):
            times = f"{row['ms']:.1f}", f"{row['alone_ms']:.1f}", f"{row['alone_ratio']:.2f}"
            cpu = f"{row['cpu_ms']:.1f}", f"{row['alone_cpu_ms']:.1f}", f"{row['alone_cpu_ratio']:.2f}"
            table.add_row(row["name"], *times, *cpu, f"{row['alone_equal']:.4%}")
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
    if {row["model"] for row in rows} != {row["model"] for row in rows if "error" not in row}:
        raise typer.Exit(1)


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
    beside: Annotated[
        str, typer.Option(help="Name of a faster checkpoint in the folder of --model, for steps of the same ladder.")
    ] = "",
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
    from icnet_ros.benchmark.networks.sizes import ROWS, measure
    from icnet_ros.checkpoint.ladder import make_ladder, to_metrics
    from icnet_ros.engine.artefacts.header import update_metrics

    needs_matplotlib(picture)
    checkpoint = load_model(model)
    checkpoints = [checkpoint, *([load_beside(checkpoint, beside)] if beside else [])]
    height, width = parse_size(size)
    images = open_dataset(data, root, split).select_sources(source or ()).subsample(limit)
    options = EngineOptions("cpu", precision, threads=threads or cores())
    with progress_bar("building engines") as update:
        points = measure(
            checkpoints, engine, list(dict.fromkeys(exit_ or checkpoint.spec.exits)), sorted(set(rows or ROWS)), images,
            cv2.resize(read_picture(frame), (width, height)), options, rounds, update,
            mapping=load_mapping(mapping) if mapping else None,
        )  # fmt: skip
    ladder = make_ladder(points)
    steps = [(step.label, step.rows) for step in ladder]
    table = Table("exit", "rows", "precision", "ms", "mIoU", "in the ladder")
    for point in points:
        chosen = "yes" if (point["label"], point["rows"]) in steps else ""
        figures = point["precision"], f"{point['ms']:.1f}", f"{point['miou']:.3f}"
        table.add_row(point["label"], str(point["rows"]), *figures, chosen)
    console.print(table)
    settings = {"engine": engine, "size": [height, width], "threads": threads or cores(), "rounds": rounds}
    write_json(out, {**settings, "dataset": data, "split": split, "sources": source or [], "points": points})
    if save:
        update_metrics(checkpoint, to_metrics(ladder))
        console.print(f"the ladder is stored in {checkpoint.path}", soft_wrap=True)
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_sizes

        draw_sizes(points, steps, picture, f"{checkpoint.name}, {engine}, {width}x{height}, {data} {split}")


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
