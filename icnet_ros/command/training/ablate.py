"""`icnet ablate`: the paper's accuracy ablations."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from icnet_ros.command.console import console, progress_bar
from icnet_ros.command.options import (
    Accelerator,
    Devices,
    Iterations,
    Nodes,
    Root,
    TrainingData,
    TrainingFolder,
    TrainingPrecision,
)
from icnet_ros.packages import needed_for
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import load_recipe


def ablate(
    out: TrainingFolder,
    data: TrainingData = "",
    root: Root = None,
    recipe: Annotated[str, typer.Option(help="Recipe of all runs.")] = "camvid",
    only: Annotated[
        list[str] | None, typer.Option(help="branches, fusion, guidance, keep, stride, scale; repeat for several.")
    ] = None,
    baseline_width: Annotated[float, typer.Option(help="Width of PSPNet50; 1 in the paper, slow on a CPU.")] = 1.0,
    backbone: Annotated[Path | None, typer.Option(help="Start every run from this ImageNet ResNet-50.")] = None,
    iterations: Iterations = None,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    precision: TrainingPrecision = "32-true",
) -> None:
    """Train and measure every row of tables 1 to 3 and figure 5, with deltas next to the paper's."""
    with needed_for("training", RecipeError, "train"):
        from icnet_ros.training.ablation import GROUPS, AblationConfig
        from icnet_ros.training.ablation import ablate as run
        from icnet_ros.training.session import Hardware, open_session
        from icnet_ros.training.start import FROM_SCRATCH, from_backbone
    chosen = load_recipe(recipe, iterations=iterations)
    session = open_session(chosen, data, root, Hardware(accelerator, devices, nodes, precision))
    start = from_backbone(backbone) if backbone else FROM_SCRATCH
    setting = AblationConfig(chosen, session.data, session.validation, out, session.fabric, baseline_width, start)
    with session.holding(out), progress_bar("reading the data", hidden=session.hidden) as update:
        rows = run(setting, only or GROUPS, update)
    if session.hidden:
        return
    table = Table(
        "",
        "",
        "mIoU",
        "delta",
        "paper",
        "delta",
        title=f"{session.validation.name} val, {chosen.iterations} iterations",
    )
    group = ""
    for row in rows:
        if row["group"] != group:
            table.add_section()
        deltas = ["" if row["group"] != group else f"{row[key]:+.1f}" for key in ("delta", "paper_delta")]
        shown = "" if row["group"] == group else row["group"]
        table.add_row(shown, row["name"], f"{row['miou']:.1f}", deltas[0], f"{row['paper_miou']:.1f}", deltas[1])
        group = row["group"]
    console.print(table)
    console.print(f"{out}/ablation.png, {out}/ablation.json")
