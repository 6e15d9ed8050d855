"""`icnet compare`: compares two reports of one drive."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.console import console, print_problem, progress_bar
from icnet_ros.command.options import Json


def compare(
    a: Annotated[Path, typer.Argument(help="Baseline: a report.json or its folder.")],
    b: Annotated[Path, typer.Argument(help="Candidate: a report.json or its folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for compare.json and compare.html.")] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="Exit code 1 if the condition holds for B, or for B - A: 'miou<0.6', 'delta_miou<-0.01'."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two checkpoints, engines or exits on the same drive: differences with 95 % intervals."""
    from icnet_ros.report.compare import LOWER_IS_BETTER, Side, gate_figures, write_comparison
    from icnet_ros.report.compare import compare as run
    from icnet_ros.report.gates import Gate, failures

    one, other = Side.read(a), Side.read(b)
    with progress_bar("comparing") as update:
        found = run(one, other, lambda done, total: update("comparing", done, total))
    figures = gate_figures(other, found)
    gates = [Gate.parse(text, figures) for text in fail_if or ()]
    if out is not None:
        write_comparison(one, other, found, out)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        table = Table("figure", "A", "B", "B - A", "95 % interval", title=str(found["bag"]), title_justify="left")
        for name, entry in found["figures"].items():
            delta, low, high = entry["delta"], entry["low"], entry["high"]
            if delta is None or low is None or high is None:
                continue
            significant = low > 0 or high < 0
            better = (delta > 0) != (name in LOWER_IS_BETTER)
            style = ("green" if better else "red") if significant else ""
            values = [f"{entry['a']:.4f}", f"{entry['b']:.4f}", f"{delta:+.4f}"]
            table.add_row(name, *values, f"{low:+.4f} .. {high:+.4f}", style=style)
        console.print(f"A: {found['a']['label']}\nB: {found['b']['label']}")
        console.print(table)
        agreement = "" if found["agreement"] is None else f", {found['agreement']:.4%} pixel agreement"
        console.print(f"{found['frames']['both']} frames{agreement}")
        if out is not None:
            console.print(f"open {out / 'compare.html'}")
    failed = failures(gates, figures)
    for reason in failed:
        print_problem("failed:", reason)
    if failed:
        raise typer.Exit(1)
