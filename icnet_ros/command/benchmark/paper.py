"""`icnet benchmark paper|layers`: the paper's tables of time and memory."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.benchmark.common import Rounds, Sizes, cores, parse_size, write_json
from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import JsonFile, Threads
from icnet_ros.command.requirements import needs_matplotlib


def paper(
    only: Annotated[list[str] | None, typer.Option(help="Tables by a part of their name; repeat for several.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    shrink: Annotated[int, typer.Option(min=1, help="Divide image sides, for a quick look.")] = 1,
    threads: Threads = 0,
    rounds: Rounds = 5,
    out: JsonFile = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the ratios.")] = None,
) -> None:
    """Reproduce tables 1, 2, 3, 5, 6 and figure 5: time, memory, multiply-accumulates next to the paper's."""
    from icnet_ros.benchmark.paper import ROWS, measure

    needs_matplotlib(picture)
    rows = [row for row in ROWS if not only or any(part in row.table for part in only)]
    with progress_bar("warming up") as update:
        measured = measure(rows, device, threads or cores(), rounds, update, shrink)
    time = Table("", "ms", "speed-up", "in the paper", "GMAC", "ratio", title="time", title_justify="left")
    space = Table("", "total", "ratio", "in the paper", "peak", "ratio", title="activations, MB", title_justify="left")
    name = ""
    for row in measured:
        if row["table"] != name:
            name = row["table"]
            for table in (time, space):
                table.add_section()
                table.add_row(name, style="bold")
        faster = f"{row['ms']:.1f}", f"{row['speedup']:.2f}", f"{row['paper_speedup']:.2f}"
        time.add_row(row["name"], *faster, f"{row['gmac']:.1f}", f"{row['mac_ratio']:.2f}")
        published = f"{row['paper_memory_ratio']:.1f}" if row["paper_memory_ratio"] else ""
        peak = f"{row['peak_mb']:.0f}", f"{row['peak_ratio']:.1f}"
        space.add_row(row["name"], f"{row['total_mb']:.0f}", f"{row['total_ratio']:.1f}", published, *peak)
    console.print(time, space)
    write_json(
        out, {"device": device, "shrink": shrink, "rounds": rounds, "threads": threads or cores(), "rows": measured}
    )
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_ratios

        picture.parent.mkdir(parents=True, exist_ok=True)
        shrunken = f", image sides divided by {shrink}" if shrink > 1 else ""
        draw_ratios(measured, picture, f"ICNet and PSPNet50 on {device}{shrunken}")


def layers(
    size: Sizes = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N.")] = "cpu",
    threads: Threads = 0,
    rounds: Rounds = 5,
    out: JsonFile = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the times.")] = None,
) -> None:
    """Figure 1b: time of each stage of PSPNet50, at 1024x2048 and 512x1024 if no size is given."""
    import torch

    from icnet_ros.benchmark.layers import layers as measure

    needs_matplotlib(picture)
    torch.set_num_threads(threads or cores())
    sizes = [parse_size(text) for text in size or ("1024x2048", "512x1024")]
    with progress_bar("warming up") as update:
        rows = measure(sizes, device, rounds, update)
    table = Table("size", "stage", "ms", "GMAC", "ms a block", "GMAC a block")
    for row in rows:
        figures = (f"{row[key]:.1f}" for key in ("ms", "gmac", "ms_per_block", "gmac_per_block"))
        table.add_row("{}x{}".format(*row["size"]), row["stage"], *figures)
    console.print(table)
    write_json(out, {"device": device, "rounds": rounds, "threads": threads or cores(), "rows": rows})
    if picture is not None:
        from icnet_ros.benchmark.pictures import draw_layers

        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_layers(rows, picture, f"PSPNet50 on {device}")
