"""`icnet benchmark gpu`: everything that runs on a GPU."""

from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.benchmark.common import Picture, Rounds, Sizes, parse_size, read_picture, write_json
from icnet_ros.command.console import console, errors, progress_bar
from icnet_ros.command.options import Model, ResultFolder
from icnet_ros.command.requirements import needs_matplotlib


def gpu(
    out: ResultFolder,
    device: Annotated[str, typer.Option(help="cuda, cuda:N; cpu runs the same checks on the CPU.")] = "cuda",
    size: Sizes = None,
    batch: Annotated[list[int] | None, typer.Option(help="Repeat for several; 2, 4, 8 if not given.")] = None,
    model: Model = "",
    frame: Picture = None,
    rounds: Rounds = 30,
    soak_seconds: Annotated[float, typer.Option(min=0.0, help="Duration of the soak.")] = 120.0,
) -> None:
    """Time torch and TensorRT in every precision, compare their labels with the CPU's, measure memory, run a soak.

    Writes gpu.json, gpu.png and gpu.html into --out. Ends with exit code 1 if labels differ too much or a call of the
    soak failed. TensorRT is left out where it is not installed; a case that cannot run is a row with its reason.
    """
    from icnet_ros.benchmark.gpu import cases, disagreements, measure, roofline, soak
    from icnet_ros.benchmark.gpu_page import write_page

    needs_matplotlib(out)
    sizes = [parse_size(text) for text in size] if size else [(720, 1280), (1024, 2048)]
    checkpoint, picture = load_model(model), read_picture(frame)
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar("measuring") as update:
        rows = measure(checkpoint, device, cases(device, sizes, batch or (2, 4, 8)), picture, rounds, update)
        limits = roofline(checkpoint, device, sizes[-1], rounds)
        soaked = soak(checkpoint, device, picture, soak_seconds, update)
    wrong = disagreements(rows, soaked)
    result = {"device": device, "rounds": rounds, "rows": rows, "roofline": limits, "soak": soaked, "wrong": wrong}
    write_json(out / "gpu.json", result)
    from icnet_ros.benchmark.pictures import draw_roofline

    draw_roofline(rows, limits, out / "gpu.png")
    write_page(result, out / "gpu.html")
    table = Table("", "ms", "frames/s", "network ms", "GFLOP/s", "as on the CPU", "MB")
    for row in rows:
        if "error" in row:
            continue
        figures = f"{row['ms']:.2f}", f"{row['frames_per_s']:.0f}", f"{row['stages']['inference']:.2f}"
        memory = "-" if row["memory_mb"] is None else f"{row['memory_mb']:.0f}"
        table.add_row(row["name"], *figures, f"{row['gflops'] or 0:.0f}", f"{row['agreement']:.3%}", memory)
    console.print(table)
    for row in rows:
        if "error" in row:
            console.print(f"{row['name']}: {row['error']}")
    console.print(f"{out}/gpu.html, {out}/gpu.json")
    for problem in wrong:
        errors.print(f"wrong: {problem}", style="bold red")
    if wrong:
        raise typer.Exit(1)
