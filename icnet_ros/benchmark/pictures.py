"""Charts of benchmark results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter


def draw_ratios(rows: Sequence[dict[str, Any]], picture: Path, title: str) -> None:
    """Speed-ups measured here beside the paper's, on a logarithmic axis, as a PNG."""
    shown = [row for row in rows if row["paper_speedup"] != 1 or row["speedup"] != 1]
    figure = Figure(figsize=(9, 1.5 + 0.5 * len(shown)), layout="constrained")
    panel = figure.subplots()
    places = range(len(shown))
    panel.barh([place - 0.2 for place in places], [row["speedup"] for row in shown], 0.38, label="here")
    panel.barh([place + 0.2 for place in places], [row["paper_speedup"] for row in shown], 0.38, label="paper")
    panel.plot([row["mac_ratio"] for row in shown], list(places), "k|", markersize=14, label="multiply-accumulates")
    panel.set_yticks(list(places), [f"{row['table']}: {row['name']}" for row in shown])
    panel.set_xscale("log")
    panel.axvline(1, color="black", linewidth=0.8)
    panel.invert_yaxis()
    panel.set(xlabel="times faster than the first row of its table", title=title)
    panel.legend()
    figure.savefig(picture, dpi=120)


def draw_layers(rows: Sequence[dict[str, Any]], picture: Path, title: str) -> None:
    """Milliseconds of each stage, one line for each image size, as a PNG."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    panel = figure.subplots()
    for size in dict.fromkeys(tuple(row["size"]) for row in rows):
        of_size = [row for row in rows if tuple(row["size"]) == size]
        panel.plot([row["stage"] for row in of_size], [row["ms"] for row in of_size], "o-", label="{}x{}".format(*size))
    panel.tick_params("x", rotation=20)
    panel.set(ylabel="ms", title=title)
    panel.legend()
    figure.savefig(picture, dpi=120)


def draw_peers(rows: Sequence[dict[str, Any]], picture: Path, title: str) -> None:
    """MIoU against time of the networks that have both, else bars of the time, as a PNG."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    scored = [row for row in rows if row.get("miou") is not None]
    if scored:
        for row in scored:
            panel.plot(row["ms"], row["miou"], "o" if row["precision"] == "fp32" else "s")
            panel.annotate(row["name"], (row["ms"], row["miou"]), xytext=(6, 4), textcoords="offset points")
        panel.set(xlabel="ms from picture to labels", ylabel="mIoU")
        panel.set_xlim(0, 1.25 * max(row["ms"] for row in scored))
    else:
        panel.barh([row["name"] for row in rows], [row["ms"] for row in rows])
        panel.invert_yaxis()
        panel.set(xlabel="ms from picture to labels")
    panel.set_title(title)
    figure.savefig(picture, dpi=120)


def draw_sizes(points: Sequence[dict[str, Any]], ladder: Sequence[tuple[str, int]], picture: Path, title: str) -> None:
    """MIoU against time, a line for each exit, as a PNG. Points show their rows; those of the ladder are ringed."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    for label in dict.fromkeys(point["label"] for point in points):
        of_exit = [point for point in points if point["label"] == label]
        panel.plot([point["ms"] for point in of_exit], [point["miou"] for point in of_exit], "o-", label=label)
    for point in points:
        where = point["ms"], point["miou"]
        panel.annotate(str(point["rows"]), where, xytext=(5, -10), textcoords="offset points", fontsize=7)
        if (point["label"], point["rows"]) in ladder:
            panel.plot(*where, "o", markersize=12, markerfacecolor="none", markeredgecolor="black")
    panel.set(xlabel="ms from picture to labels", ylabel="mIoU", title=title, xscale="log")
    for which in (panel.xaxis.set_major_formatter, panel.xaxis.set_minor_formatter):
        which(FormatStrFormatter("%g"))  # not as powers of 10
    panel.legend(title="exit; numbers: rows of the input")
    figure.savefig(picture, dpi=120)


def draw_stages(results: Sequence[dict[str, Any]], picture: Path, title: str) -> None:
    """Stages of a frame one after the other, a bar for each size, as a PNG."""
    names = ("transport", "wait", "decode", "preprocess", "inference", "postprocess", "publish")
    figure = Figure(figsize=(10, 1.8 + 0.8 * len(results)), layout="constrained")
    panel = figure.subplots()
    for place, result in enumerate(results):
        stages, left = result["runs"][0]["stages"], 0.0
        whole = sum(stages[name] for name in names)
        for number, name in enumerate(names):
            panel.barh(place, stages[name], 0.6, left, color=f"C{number}", label=name if place == 0 else None)
            if stages[name] > 0.08 * whole:
                panel.text(left + stages[name] / 2, place, f"{stages[name]:.1f}", ha="center", va="center", fontsize=8)
            left += stages[name]
        share = 1 - stages["inference"] / whole
        panel.text(left, place, f" {whole:.1f} ms, {share:.0%} not inference", va="center", fontsize=8)
    panel.set_yticks(range(len(results)), ["{1}x{0}".format(*result["size"]) for result in results])
    panel.set(xlabel="ms", title=title, xlim=(0, 1.25 * panel.get_xlim()[1]))
    panel.legend(ncols=len(names), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    figure.savefig(picture, dpi=120)


def draw_scaling(results: Mapping[str, Any], picture: Path, title: str) -> None:
    """The curves of `scaling`, a panel for each, as a PNG."""
    figure = Figure(figsize=(4.5 * len(results), 4), layout="constrained")
    panels = dict(zip(results, figure.subplots(1, len(results), squeeze=False)[0], strict=True))
    size, panel = results["size"], panels["size"]
    megapixels = [point["size"][0] * point["size"][1] / 1e6 for point in size["points"]]
    panel.plot(megapixels, [point["ms"] for point in size["points"]], "o", label="measured")
    line = [size["offset_ms"] + size["ms_per_megapixel"] * x for x in (0, megapixels[-1])]
    panel.plot((0, megapixels[-1]), line, "-", label=f"{size['offset_ms']:.1f} + {size['ms_per_megapixel']:.0f} x ms")
    panel.set(xlabel="megapixels", ylabel="ms from picture to labels", title="image size")
    panel.legend()
    points = results["threads"]["points"]
    counts = [point["threads"] for point in points]
    panels["threads"].plot(counts, [points[0]["ms"] / point["ms"] for point in points], "o-", label="measured")
    panels["threads"].plot(counts, counts, "k:", label="as many times as threads")
    panels["threads"].set(xlabel="threads", ylabel="times faster than one thread", title="threads", xticks=counts)
    panels["threads"].legend()
    if "cameras" in results:
        points, panel = results["cameras"]["points"], panels["cameras"]
        counts = [point["cameras"] for point in points]
        panel.plot(counts, [point["labelled_hz"] for point in points], "o-", label="labelled")
        panel.plot(counts, [point["offered_hz"] for point in points], "k:", label="sent")
        panel.set(xlabel="cameras", ylabel="images/s of all cameras", title="cameras", xticks=counts)
        panel.legend(loc="upper left")
        age = panel.twinx()
        age.plot(counts, [point["age_p95_ms"] for point in points], "s--", color="C3")
        age.set_ylabel("p95 of the age of labels, ms", color="C3")
        age.set_ylim(bottom=0)
    if "workers" in results:
        points = results["workers"]["points"]
        names = [f"{point['workers']} x {point['threads']}" for point in points]
        panels["workers"].bar(names, [point["frames_per_s"] for point in points])
        panels["workers"].set(xlabel="workers x threads", ylabel="frames/s", title="replay workers")
    figure.suptitle(title)
    figure.savefig(picture, dpi=110)


def draw_roofline(rows: Sequence[dict[str, Any]], limits: dict[str, Any], picture: Path) -> None:
    """Roofline of the device, and what the network achieves at the size of `limits`, as a PNG."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    bandwidth, intensity = limits["bandwidth_gb_s"], limits["intensity"]
    reach = [0.1, *(peak / bandwidth for peak in limits["peak_gflops"].values()), 100 * intensity]
    axis = sorted(reach)
    for precision, peak in limits["peak_gflops"].items():
        panel.plot(axis, [min(peak, bandwidth * x) for x in axis], label=f"{precision}: {peak:.0f} GFLOP/s")
    for row in rows:
        if "error" not in row and list(row["size"]) == limits["size"] and row["gflops"]:
            point = intensity, row["gflops"]
            panel.plot(*point, "o")
            panel.annotate(row["name"], point, xytext=(8, -3), textcoords="offset points", fontsize=7)
    panel.set(xscale="log", yscale="log", xlabel="floating point operations per byte", ylabel="GFLOP/s")
    panel.set_title(f"roofline: {bandwidth:.0f} GB/s, network at {'x'.join(map(str, limits['size']))}")
    panel.legend()
    figure.savefig(picture, dpi=120)
