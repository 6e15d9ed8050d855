"""The log of a training as a picture."""

import csv
from pathlib import Path

from matplotlib.figure import Figure


def draw_curve(log: Path, picture: Path) -> None:
    """Loss and validation mIoU over the steps of LOG.csv, as a PNG."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.subplots()
    left.plot(steps, [float(row["loss"]) for row in rows], "o-", color="tab:red", markersize=3)
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    left.yaxis.label.set_color("tab:red")
    right = left.twinx()
    right.plot(steps, [float(row["miou"]) for row in rows], "o-", color="tab:blue", markersize=3)
    right.set(ylabel="validation mIoU", ylim=(0, 1))
    right.yaxis.label.set_color("tab:blue")
    figure.savefig(picture, dpi=120)
