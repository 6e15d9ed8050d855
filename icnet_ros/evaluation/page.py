"""Self-contained HTML pages: everything is in the one file, nothing is fetched."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.evaluation import plots
from icnet_ros.evaluation.frames import Row
from icnet_ros.evaluation.outputs import Pictures

FACTS = ("bag", "bag_sha256", "checkpoint", "checkpoint_sha256", "engine", "device", "precision", "exit", "selection")


def write_report(
    path: Path, title: str, report: dict[str, Any], rows: Sequence[Row], classes: ClassTable, pictures: Pictures
) -> None:
    """report.html of a drive: the figures of report.json, with what is easier seen than read."""
    figures: dict[str, go.Figure] = {}
    alone = len({row.drive for row in rows}) < 2  # several drives have no common time
    if rows and alone:
        figures["along"] = plots.along(rows, classes, scored=report["miou"] is not None)
    if report["per_class"]:
        figures["classes"] = plots.by_class(report["per_class"], classes, "IoU")
        figures["confusion"] = plots.confusion(report["confusion"], classes)
    engine_ms = [row.engine_ms for row in rows]
    if report["latency_ms"]["engine"]:
        figures["latency"] = plots.histogram({"engine": engine_ms}, "ms per frame, engine")
    by_number = {row.number: row for row in rows}
    start = rows[0].recorded_ns if rows else 0
    page = _environment().get_template("report.html.jinja").render(
        title=title,
        report={"exit": None, "precision": None, "drives": [], **report},
        legend=[(name, plots.css(colour)) for name, colour in zip(classes.names, classes.colours, strict=True)],
        thumbnails=[
            {"number": number, "source": _source(jpeg), "caption": _caption(by_number[number], start)}
            for number, jpeg in pictures.thumbnails.items()
        ],
        worst=[
            (_caption(row, start), [(name, _source(jpeg)) for name, jpeg in panel]) for row, panel in pictures.worst
        ],
        facts=[(name, report[name]) for name in FACTS if report.get(name)]
        + [(f"version of {name}", value) for name, value in report["versions"].items()],
        **_scripts(figures),
    )  # fmt: skip
    path.write_text(page, encoding="utf-8")


def render(path: Path, template: str, figures: Mapping[str, go.Figure], **values: Any) -> None:
    """Another page."""
    page = _environment().get_template(template).render(**values, **_scripts(figures))
    path.write_text(page, encoding="utf-8")


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _scripts(figures: Mapping[str, go.Figure]) -> dict[str, Any]:
    return {
        "plotly": get_plotlyjs() if figures else "",
        "plots": {name: json.loads(figure.to_json()) for name, figure in figures.items()},
    }


def _source(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _caption(row: Row, start: int) -> str:
    parts = [f"frame {row.number}", f"{(row.recorded_ns - start) / 1e9:.2f} s"]
    parts += [f"mIoU {row.miou:.3f}"] if row.miou == row.miou else []
    parts += [f"confidence {row.confidence:.3f}"] if row.confidence == row.confidence else []
    return " · ".join(parts)
