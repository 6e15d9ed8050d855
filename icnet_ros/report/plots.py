"""Plotly charts of the HTML pages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from icnet_ros.checkpoint.classes import ClassTable, Colour
from icnet_ros.replay.results.frame_record import FrameRecord

INK, BLUE, ORANGE, RED, GRID = "#1d2733", "#2f6fde", "#d9822b", "#c23030", "#e4e9ef"
FONT = {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13, "color": INK}


def timeline(frames: Sequence[FrameRecord], classes: ClassTable, *, scored: bool) -> go.Figure:
    """Scores and pixel share of each class over time; `customdata` of the points holds the frame numbers.

    Over the frame numbers if the recording times go back or stand still.
    Frames without labels are marked; lines and areas continue across them.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.52, 0.48], y_title=None)
    start = frames[0].recorded_ns if frames else 0
    seconds = np.array([(frame.recorded_ns - start) / 1e9 for frame in frames])
    numbers, steps = [frame.number for frame in frames], np.diff(seconds)
    timed = len(frames) < 2 or bool(steps.min() >= 0 and steps.any())  # else the clock was set back, or stands still
    places = seconds if timed else np.array(numbers)
    lines = [("mIoU", "miou", BLUE, 2.2)] if scored else []
    lines += [("confidence", "confidence", ORANGE, 1.4), ("changed pixels", "changed_pixels", "#7a8793", 1.2)]
    for title, name, colour, width in lines:
        known = [k for k, frame in enumerate(frames) if np.isfinite(getattr(frame, name))]
        if known:
            figure.add_scatter(
                x=places[known], y=[getattr(frames[k], name) for k in known], name=title, mode="lines",
                customdata=[numbers[k] for k in known], line={"color": colour, "width": width},
                hovertemplate="%{y:.3f}", row=1, col=1,
            )  # fmt: skip
    failed = [k for k, frame in enumerate(frames) if frame.error]
    if failed:
        figure.add_scatter(
            x=places[failed], y=[0.0] * len(failed), name="no labels", mode="markers", row=1, col=1,
            marker={"color": RED, "symbol": "x", "size": 7}, customdata=[numbers[k] for k in failed],
            text=[frames[k].error[:90] for k in failed], hovertemplate="%{text}",
        )  # fmt: skip
    labelled = [k for k, frame in enumerate(frames) if len(frame.pixels)]
    shares = np.array([frames[k].pixels for k in labelled], float).reshape(-1, len(classes))
    shares /= np.maximum(shares.sum(1, keepdims=True), 1)
    for k, name in enumerate(classes.names):
        if not shares[:, k].any():
            continue
        figure.add_scatter(
            x=places[labelled], y=shares[:, k].tolist(), name=name, stackgroup="classes", showlegend=False,
            customdata=[numbers[j] for j in labelled],
            line={"width": 0, "color": css(classes.colours[k])}, fillcolor=css(classes.colours[k]),
            hovertemplate="%{y:.1%}", row=2, col=1,
        )  # fmt: skip
    figure.update_yaxes(range=[0, 1.02], title="per frame", row=1, col=1)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", title="pixels by class", row=2, col=1)
    figure.update_xaxes(title="seconds" if timed else "frame", row=2, col=1)
    return _styled(
        figure,
        460,
        hovermode="x unified",
        margin={"t": 64},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )


def by_class(values: Mapping[str, float | None], classes: ClassTable, title: str) -> go.Figure:
    """Bar chart of a value by class in the class colours, highest value on top."""
    known = sorted(((value, name) for name, value in values.items() if value is not None))
    colours = dict(zip(classes.names, classes.colours, strict=True))
    figure = go.Figure(
        go.Bar(
            x=[value for value, _ in known], y=[name for _, name in known], orientation="h",
            marker={"color": [css(colours[name]) for _, name in known], "line": {"color": "#8894a0", "width": 0.5}},
            text=[f"{value:.3f}" for value, _ in known], textposition="outside", cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1.08], title=title)
    return _styled(figure, 90 + 26 * max(4, len(known)))


def confusion(counts: Sequence[Sequence[int]], unlabelled: Sequence[int] | None, classes: ClassTable) -> go.Figure:
    """Share of the pixels of each true class (rows) that were labelled as each class (columns), or left unlabelled."""
    matrix, columns = np.array(counts, float), list(classes.names)
    if unlabelled is not None and any(unlabelled):
        matrix, columns = np.column_stack([matrix, np.array(unlabelled, float)]), [*columns, "unlabelled"]
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    texts = [[f"{value:.0%}" if value >= 0.005 else "" for value in row] for row in share]
    figure = go.Figure(
        go.Heatmap(
            z=share, x=columns, y=classes.names, zmin=0, zmax=1, colorscale="Blues", showscale=False,
            text=texts if len(classes) <= 40 else None, texttemplate="%{text}" if len(classes) <= 40 else None,
            customdata=matrix, hovertemplate="%{y} labelled %{x}: %{z:.2%}, %{customdata:,} pixels<extra></extra>",
            xgap=1, ygap=1, textfont={"size": 10},
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", title="ground truth")
    figure.update_xaxes(title="labelled as", tickangle=-45)
    return _styled(figure, 120 + max(260, 26 * len(classes)))


def histogram(groups: Mapping[str, Sequence[float]], title: str) -> go.Figure:
    """Histogram of each group, with a vertical line at its 95th percentile."""
    figure = go.Figure()
    for (name, values), colour in zip(groups.items(), (BLUE, ORANGE), strict=False):
        finite = [value for value in values if np.isfinite(value)]
        if not finite:
            continue
        opacity = 0.7 if len(groups) > 1 else 1
        figure.add_histogram(x=finite, name=name, nbinsx=40, marker={"color": colour}, opacity=opacity)
        p95 = float(np.percentile(finite, 95))
        figure.add_vline(x=p95, line={"color": colour, "dash": "dot"}, annotation={"text": f"p95 {p95:.1f}"})
    figure.update_xaxes(title=title)
    figure.update_yaxes(title="frames")
    return _styled(figure, 280, barmode="overlay", showlegend=len(groups) > 1)


def deltas(names: Sequence[str], middle: Sequence[float], low: Sequence[float], high: Sequence[float]) -> go.Figure:
    """Differences with their confidence intervals; green where all of the interval is above 0, red where below."""
    figure = go.Figure()
    colours = ["#2c8a4b" if a > 0 else RED if b < 0 else "#7a8793" for a, b in zip(low, high, strict=True)]
    figure.add_bar(
        x=list(middle), y=list(names), orientation="h", marker={"color": colours},
        error_x={
            "type": "data", "symmetric": False, "color": INK, "thickness": 1,
            "array": [b - m for b, m in zip(high, middle, strict=True)],
            "arrayminus": [m - a for a, m in zip(low, middle, strict=True)],
        },
        hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="IoU of B minus A", zeroline=True, zerolinecolor=INK)
    return _styled(figure, 100 + 26 * max(4, len(names)))


def css(colour: Colour) -> str:
    """The colour as a CSS value."""
    return "rgb({},{},{})".format(*colour)


def _styled(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    margin = {"l": 10, "r": 16, "t": 24, "b": 10} | layout.pop("margin", {})
    figure.update_layout(height=height, margin=margin, font=FONT, plot_bgcolor="white", paper_bgcolor="white", **layout)
    figure.update_xaxes(gridcolor=GRID, automargin=True, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, automargin=True, zeroline=False)
    return figure
