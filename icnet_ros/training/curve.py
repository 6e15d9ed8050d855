"""Training log: read, write and plot log.csv."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure


def read_rows(log: Path) -> list[dict[str, str]]:
    """Rows of LOG.csv, by column."""
    with log.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(log: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Overwrite LOG.csv, at once or not at all; columns are the keys of all rows, in order."""
    columns = dict.fromkeys(name for row in rows for name in row)
    temporary = log.with_name(f".{log.name}.part")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(log)


def append_row(log: Path, row: Mapping[str, object]) -> None:
    """Add a row to LOG.csv, which may not be there yet."""
    write_rows(log, [*(read_rows(log) if log.exists() else []), row])


def draw_curve(log: Path, picture: Path) -> None:
    """Loss, and mIoU on validation and training images, over the steps of LOG.csv, as a PNG."""
    rows = read_rows(log)
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.subplots()
    left.plot(steps, [float(row["loss"]) for row in rows], "o-", color="tab:red", markersize=3)
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    left.yaxis.label.set_color("tab:red")
    right = left.twinx()
    for name, label, style in (("miou", "validation", "o-"), ("train_miou", "training images", "o:")):
        points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if points:
            right.plot(*zip(*points, strict=True), style, color="tab:blue", markersize=3, label=label)
    right.set(ylabel="mIoU", ylim=(0, 1))
    right.yaxis.label.set_color("tab:blue")
    right.legend(loc="lower right")
    figure.savefig(picture, dpi=120)
