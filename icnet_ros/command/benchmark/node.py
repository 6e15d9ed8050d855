"""`icnet benchmark transport|node-overhead|outputs|node|deadline|cameras|soak`: measurements of a running node."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from icnet_ros.benchmark.node.graph import measure_node, soak_passed
from icnet_ros.benchmark.node.graph import node_overhead as measure_overhead
from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.ladder import KEY
from icnet_ros.command.benchmark.common import (
    Frames,
    Rate,
    Rounds,
    Seconds,
    Size,
    Sizes,
    cores,
    node_parameters,
    parse_size,
    write_json,
)
from icnet_ros.command.console import console, print_problem, progress_bar
from icnet_ros.command.options import EngineName, EnginePrecision, Exit, JsonFile, Model, Threads
from icnet_ros.command.requirements import needs_matplotlib, needs_ros

PROFILES = ("shipped", "default")
LATENCIES = ("latency_p50_ms", "latency_p95_ms", "jitter_ms")


def transport(
    frames: Frames = 100,
    rate: Rate = 5.0,
    size: Size = "1024x2048",
    default_transport: Annotated[bool, typer.Option(help="Without the shipped Fast DDS profile.")] = False,
    out: JsonFile = None,
) -> None:
    """Count large best-effort images that get lost between a typed rclpy publisher and the node."""
    height, width = parse_size(size)
    options = {"frames": frames, "rate": rate, "height": height, "width": width}
    result = _measure("transport", options, shipped_profile=not default_transport)
    console.print("{sent} sent, {received} received by the node, {lost} lost".format(**result))
    write_json(out, {**options, "default_transport": default_transport, **result})


def node_overhead(
    size: Sizes = None,
    reliability: Annotated[list[str] | None, typer.Option(help="best_effort, reliable; repeat for both.")] = None,
    profile: Annotated[list[str] | None, typer.Option(help="Fast DDS: shipped, default; repeat for both.")] = None,
    load: Annotated[list[int] | None, typer.Option(help="Busy background processes; repeat for several.")] = None,
    frames: Frames = 100,
    rate: Rate = 10.0,
    rounds: Rounds = 3,
    out: JsonFile = None,
) -> None:
    """Measure the ROS overhead per frame of this node and of a conventional one, both with a no-op engine.

    Without --load, once idle and once with one busy process per core. Latency is from publishing the image to
    receiving the label image.
    """
    needs_ros()
    if unknown := [name for name in profile or () if name not in PROFILES]:
        raise typer.BadParameter(f"profile {unknown[0]!r} is none of {', '.join(PROFILES)}")
    sizes = [parse_size(text) for text in size or ("360x480", "720x1280", "1024x2048")]
    with progress_bar("comparing nodes") as update:
        cases = measure_overhead(
            sizes, reliability or ["best_effort", "reliable"], profile or PROFILES,
            [0, cores()] if load is None else load, frames, rate, rounds, update,
        )  # fmt: skip
    table = Table(
        *("size", "reliability", "profile", "busy", "p50 ms", "p95 ms", "CPU ms", "new pages", "lost"),
        title="ours : conventional",
    )
    for case in cases:
        ours, other = case["ours"], case["conventional"]
        ratios = [
            f"{ours[key]:.1f} : {other[key]:.1f} = " + (f"{ours[key] / other[key]:.2f}" if other[key] else "-")
            for key in ("p50_ms", "p95_ms", "cpu_ms")
        ]
        counts = [f"{ours[key]:.0f} : {other[key]:.0f}" for key in ("pages", "lost")]
        height, width = case["size"]
        table.add_row(f"{height}x{width}", case["reliability"], case["profile"], str(case["load"]), *ratios, *counts)
    console.print(table)
    write_json(out, {"frames": frames, "rate": rate, "rounds": rounds, "cases": cases})


def outputs(size: Size = "720x1280", model: Model = "", rounds: Rounds = 9, out: JsonFile = None) -> None:
    """Time what each output of the node costs for one frame while it has subscribers, without transport."""
    height, width = parse_size(size)
    result = _measure("outputs", {"height": height, "width": width, "model": model, "rounds": rounds})
    table = Table("output", "ms")
    for name, value in result.items():
        table.add_row(f"~/{name}", f"{value:.2f}")
    console.print(table)
    write_json(out, {"size": [height, width], "rounds": rounds, "outputs": result})


def node(
    size: Sizes = None,
    rate: Annotated[list[float] | None, typer.Option(min=0.1, help="Hz; repeat for several.")] = None,
    find_rate: Annotated[bool, typer.Option(help="Search the highest rate with fewer than 5 % drops.")] = False,
    seconds: Seconds = 5.0,
    transport: Annotated[str, typer.Option(help="raw, compressed.")] = "raw",
    engine: EngineName = "auto",
    precision: EnginePrecision = "auto",
    exit_: Exit = "sub124",
    model: Model = "",
    threads: Threads = 0,
    picture: Annotated[Path | None, typer.Option(help="Draw the stages of a frame, as a PNG.")] = None,
    out: JsonFile = None,
) -> None:
    """Measure the running node: latency, jitter, drops and CPU at each rate, and where the time of a frame goes.

    Latency is from stamping the image to receiving its labels in another process. Stages are medians, as FrameLatency
    reports them, at the first rate.
    """
    needs_matplotlib(picture)
    parameters = node_parameters(
        model, engine=engine, precision=precision, exit=exit_, threads=threads, input_transport=transport
    )
    rates = rate or [10.0, 30.0, 60.0]
    options = {"rates": rates, "seconds": seconds, "find_rate": find_rate, "parameters": parameters}
    results = []
    for height, width in (parse_size(text) for text in size or ("480x640",)):
        result = {"size": [height, width], **_measure("rate", {"height": height, "width": width, **options})}
        results.append(result)
        table = Table(
            "Hz", "sent", "labelled", "latency p50 ms", "p95 ms", "jitter ms", "CPU",
            title=f"{width}x{height}, {transport}", title_justify="left",
        )  # fmt: skip
        for run in result["runs"]:
            times = ("-" if run[key] is None else f"{run[key]:.1f}" for key in LATENCIES)
            table.add_row(f"{run['rate']:g}", str(run["sent"]), str(run["labelled"]), *times, f"{run['cpu_share']:.0%}")
        console.print(table)
        if find_rate:
            console.print(f"highest rate with fewer than 5 % drops: {result['highest_rate']:g} Hz")
        stages = result["runs"][0]["stages"]
        console.print("ms: " + ", ".join(f"{name} {value:.1f}" for name, value in stages.items()))
    write_json(out, {**options, "sizes": results})
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_stages

        draw_stages(results, picture, f"a frame through the node, engine {engine}, precision {precision}, {transport}")


def deadline(
    seconds: Seconds = 60.0,
    rate: Rate = 5.0,
    size: Size = "360x480",
    share: Annotated[float, typer.Option(help="Latency budget, as a share of the loaded sub124 median.")] = 0.9,
    model: Model = "",
    sizes: Annotated[
        Path | None, typer.Option(help="JSON of `icnet benchmark sizes`, for the mean mIoU of the frames.")
    ] = None,
    out: JsonFile = None,
) -> None:
    """Measure the share of frames within the latency budget under CPU load.

    Compared: sub124 alone; exit auto with exits at one input size; exit auto with the ladder of exits and input sizes
    that the checkpoint has, if any.
    """
    from icnet_ros.benchmark.node.deadline import add_miou, read_miou

    known = read_miou(sizes) if sizes else None
    height, width = parse_size(size)
    spec = load_model(model).spec
    rows = spec.network_size(height, width)[0]
    options: dict[str, Any] = {"seconds": seconds, "rate": rate, "height": height, "width": width, "share": share}
    options |= {"model": model, "rows": rows, "ladder": KEY in spec.metrics}
    result = _measure("deadline", options)
    if known is not None:
        add_miou(result["modes"], known)
    table = Table(
        "mode", "frames", "within budget", "p50 ms", "p95 ms", "mean mIoU", "frames by exit and input rows",
        title=f"budget {result['budget_ms']} ms",
    )  # fmt: skip
    for mode, one in result["modes"].items():
        steps = ", ".join(f"{step}: {count}" for step, count in one["steps"].items())
        miou = f"{one['miou']:.3f}" if "miou" in one else "-"
        figures = f"{one['within_budget']:.1%}", f"{one['p50_ms']}", f"{one['p95_ms']}"
        table.add_row(mode, str(one["frames"]), *figures, miou, steps)
    console.print(table)
    for mode, one in result["modes"].items():
        if "missing" in one:
            console.print(f"{mode}: {sizes} has no mIoU of {one['missing']} rows: measure it with --exit and --rows")
    write_json(out, {**options, **result})


def cameras(
    count: Annotated[int, typer.Option(min=1, max=8, help="Number of cameras.")] = 4,
    rate: Rate = 5.0,
    size: Size = "360x480",
    seconds: Seconds = 60.0,
    engine: EngineName = "auto",
    precision: EnginePrecision = "fp32",
    model: Model = "",
    out: JsonFile = None,
) -> None:
    """Measure starvation, transport losses and label age with several cameras."""
    height, width = parse_size(size)
    options: dict[str, Any] = {"cameras": count, "rate": rate, "height": height, "width": width}
    options |= {"seconds": seconds, "parameters": node_parameters(model, engine=engine, precision=precision)}
    result = _measure("cameras", options)
    table = Table("camera", "sent", "received", "processed", "dropped", "age p95 ms", "allowed ms")
    for name, one in result["cameras"].items():
        counts = (str(one[key]) for key in ("sent", "received", "processed", "dropped"))
        table.add_row(name, *counts, f"{one['age_ms_p95']}", f"{one['allowed_ms']}")
    console.print(table)
    console.print(f"processed frames, most / fewest per camera: {result['max_over_min']}; lost: {result['lost']}")
    write_json(out, {**options, **result})


def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="Duration.")] = 30.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Hz, of each camera.")] = 30.0,
    warm_up: Annotated[float, typer.Option(help="Share of the time before memory is first looked at.")] = 0.3,
    growth: Annotated[float, typer.Option(help="Allowed memory growth after that, as a share.")] = 0.02,
    seed: Annotated[int, typer.Option(help="Random seed of the faults.")] = 0,
    size: Annotated[
        list[str] | None, typer.Option(help="HEIGHTxWIDTH; repeat for several, mixed; three small ones if not given.")
    ] = None,
    faults: Annotated[bool, typer.Option(help="Inject faults; without, only the image size changes.")] = True,
    model: Model = "",
    out: JsonFile = None,
) -> None:
    """Soak test: run the node at full rate with random fault injection.

    Two cameras send more frames than can be segmented. The frame counters must add up whenever the node is deactivated,
    memory and threads must not grow, every transition must succeed. Exit code 1 otherwise.
    """
    options: dict[str, Any] = {"minutes": minutes, "rate": rate, "warm_up": warm_up, "seed": seed, "model": model}
    options |= {"sizes": [parse_size(one) for one in size or ()], "faults": faults}
    result = _measure("soak", options)
    print(json.dumps(result))
    write_json(out, {**options, "growth": growth, **result})
    if not soak_passed(result, growth):
        print_problem("failed:", str(result["failed_checks"] or "see memory, threads and exit code"))
        raise typer.Exit(1)


def _measure(name: str, options: dict[str, Any], *, shipped_profile: bool = True) -> dict[str, Any]:
    needs_ros()
    with progress_bar(f"measuring {name}") as update:
        update(f"measuring {name}", 0, 0)
        return measure_node(name, options, shipped_profile=shipped_profile)
