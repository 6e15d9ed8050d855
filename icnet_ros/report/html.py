"""Self-contained HTML pages without external resources."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.files import write_text
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.report import plots
from icnet_ros.report.document import Report

METADATA = (
    "bag",
    "bag_sha256",
    "checkpoint",
    "checkpoint_sha256",
    "engine",
    "device",
    "precision",
    "exit",
    "label_groups",
    "rotate",
    "coarse_branch_interval",
    "mask",
    "selection",
)


@dataclass
class PagePictures:
    """JPEG files for the page: overlays along the drive by frame number, and panels of the worst frames.

    birdseye: path of the video of the ground, beside the page; "" if there is none.
    """

    thumbnails: dict[int, bytes] = field(default_factory=dict)
    worst: list[tuple[FrameRecord, list[tuple[str, bytes]]]] = field(default_factory=list)
    birdseye: str = ""


def write_page(
    path: Path,
    title: str,
    report: Report,
    frames: Sequence[FrameRecord],
    classes: ClassTable,
    pictures: PagePictures,
) -> None:
    """Write report.html: the figures of report.json with charts and pictures."""
    figures: dict[str, go.Figure] = {}
    one_drive = len({frame.drive for frame in frames}) < 2  # several drives have no common time
    if frames and one_drive:
        figures["timeline"] = plots.timeline(frames, classes, scored=report["miou"] is not None)
    if report["per_class"] and report["confusion"]:
        figures["classes"] = plots.by_class(report["per_class"], classes, "IoU")
        figures["confusion"] = plots.confusion(report["confusion"], report.get("confusion_unlabelled"), classes)
    if report["latency_ms"]["engine"]:
        figures["latency"] = plots.histogram({"engine": [frame.engine_ms for frame in frames]}, "ms per frame, engine")
    entries = cast("Mapping[str, object]", report)
    by_number = {frame.number: frame for frame in frames}
    start = frames[0].recorded_ns if frames else 0
    page = _environment().get_template("report.html.jinja").render(
        title=title,
        report={"exit": None, "precision": None, "drives": [], **report},
        legend=[(name, plots.css(colour)) for name, colour in zip(classes.names, classes.colours, strict=True)],
        thumbnails=[
            {"number": number, "source": _source(jpeg), "caption": _caption(by_number[number], start)}
            for number, jpeg in pictures.thumbnails.items()
        ],
        worst=[
            (_caption(frame, start), [(name, _source(jpeg)) for name, jpeg in panel])
            for frame, panel in pictures.worst
        ],
        birdseye=pictures.birdseye,
        metadata=[(name, entries[name]) for name in METADATA if entries.get(name)]
        + [(f"version of {name}", value) for name, value in report["versions"].items()],
        **_scripts(figures),
    )  # fmt: skip
    write_text(path, page)


def render_page(path: Path, template: str, figures: Mapping[str, go.Figure], **values: object) -> None:
    """Render a template with its charts into a file."""
    page = _environment().get_template(template).render(**values, **_scripts(figures))
    write_text(path, page)


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _scripts(figures: Mapping[str, go.Figure]) -> dict[str, object]:
    return {
        "plotly": get_plotlyjs() if figures else "",
        "plots": {name: json.loads(figure.to_json()) for name, figure in figures.items()},
    }


def _source(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _caption(frame: FrameRecord, start: int) -> str:
    parts = [f"frame {frame.number}", f"{(frame.recorded_ns - start) / 1e9:.2f} s"]
    parts += [f"mIoU {frame.miou:.3f}"] if frame.miou == frame.miou else []
    parts += [f"confidence {frame.confidence:.3f}"] if frame.confidence == frame.confidence else []
    return " · ".join(parts)
