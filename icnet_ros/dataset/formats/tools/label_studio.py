"""Label Studio: its JSON export with brush, polygon, rectangle and ellipse regions, and brush PNGs."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from icnet_ros.dataset.base import DatasetError, read_label_file
from icnet_ros.dataset.formats.base import Description, Format, Request, files, read_json
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, each, names_of, picture_shape
from icnet_ros.dataset.formats.raster import Mask, ellipse, label_studio_rle, polygon
from icnet_ros.wire.pictures.picture_file import PICTURES

UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # before the names of uploaded files
BRUSH = re.compile(r"task-(\d+)-annotation-(\d+)-by-[^-]*-[^-]+-(.+)-\d+\.png")


def _tasks(folder: Path) -> list[tuple[Path, list[Any]]]:
    found = [(path, read_json(path)) for path in files(folder, "*.json")]
    return [(path, tasks) for path, tasks in found if isinstance(tasks, list) and tasks and _is_task(tasks[0])]


def _is_task(value: Any) -> bool:
    listed = isinstance(value, dict) and ("annotations" in value or "predictions" in value)
    return listed and isinstance(value.get("data"), dict)


def _describe(request: Request) -> Description:
    found = _tasks(request.folder)
    if not any(task.get("annotations") for _, tasks in found for task in tasks):
        raise DatasetError(
            f"{request.folder}: its tasks have no annotations; predictions, such as icnet exports, count when they are "
            "submitted in Label Studio and exported as JSON"
        )
    images = Images(request.folder, request.drawn)
    annotated: list[Annotated] = []
    notes: list[str] = []
    empty: list[str] = []
    for path, tasks in found:
        for task in tasks:
            results = [one for one in task.get("annotations", []) if not one.get("was_cancelled")]
            name = _image_name(task["data"])
            if not results or not name:
                empty += [name] if name else []
                continue
            image = images.find(name) or images.find(UPLOAD.sub("", name.rpartition("/")[2]))
            if image is None:
                notes.append(f"{name}: not there")
                continue
            if len(results) > 1:
                notes.append(f"{name}: {len(results)} annotations, the last one counts")
            regions = list(_regions(results[-1], f"{path}: {name}", notes))
            sizes = {
                (r["original_height"], r["original_width"]) for r in results[-1]["result"] if "original_width" in r
            }
            height, width = sizes.pop() if len(sizes) == 1 else picture_shape(image)
            annotated.append(Annotated(image, height, width, regions, path))
    description = draw(annotated, names_of(annotated), request, "*.json")
    description.notes += _summary(notes)
    if empty:
        description.notes.append(f"{len(empty)} images without annotations are left out, e.g. {empty[0]}")
    return description


def _summary(notes: list[str]) -> list[str]:
    return [*notes[:3], f"... {len(notes) - 3} more"] if len(notes) > 3 else notes


def _image_name(data: dict[str, Any]) -> str:
    """Path or name of the image of a task: of a URL, or after `?d=` of a local file."""
    for value in data.values():
        if isinstance(value, str):
            parts = urlsplit(value)
            path = unquote(parse_qs(parts.query).get("d", [parts.path])[0])
            if path.lower().endswith(PICTURES):
                return path
    return ""


def _regions(annotation: Any, where: str, notes: list[str]) -> Iterator[Region]:
    for one in each(annotation, "result", where):
        value = one.get("value", {})
        name = next((labels[0] for key, labels in value.items() if key.endswith("labels") and labels), None)
        if name is None:
            continue
        if one.get("image_rotation"):
            raise DatasetError(f"{where}: the image was turned in Label Studio; turn the file instead")
        height, width = one["original_height"], one["original_width"]
        if "rle" in value:
            yield Region(name, partial(label_studio_rle, value["rle"], height, width))
        elif "points" in value:
            ring = [(x * width / 100, y * height / 100) for x, y in value["points"]]
            yield Region(name, partial(polygon, [ring], height, width, "centre"))
        elif "radiusX" in value:
            centre = value["x"] * width / 100, value["y"] * height / 100
            radii = value["radiusX"] * width / 100, value["radiusY"] * height / 100
            yield Region(name, partial(ellipse, *centre, radii, value.get("rotation", 0), height, width))
        elif "width" in value:
            yield Region(name, partial(polygon, [_rectangle(value, height, width)], height, width, "centre"))
        else:
            notes.append(f"{where}: a region of {one.get('type')} has no area")


def _rectangle(value: dict[str, float], height: int, width: int) -> list[tuple[float, float]]:
    """Corners of a rectangle that is turned clockwise around its upper left corner."""
    x, y = value["x"] * width / 100, value["y"] * height / 100
    wide, high = value["width"] * width / 100, value["height"] * height / 100
    angle = np.deg2rad(value.get("rotation", 0))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    corners = ((0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high))
    return [(x + along * cos - down * sin, y + along * sin + down * cos) for along, down in corners]


def _brush_files(folder: Path) -> list[tuple[Path, str, int, str]]:
    """Brush PNGs: (file, task, annotation, label)."""
    matches = [(path, BRUSH.fullmatch(path.name)) for path in files(folder, "**/task-*.png")]
    return [(path, found[1], int(found[2]), found[3]) for path, found in matches if found]


def _describe_brushes(request: Request) -> Description:
    brushes = _brush_files(request.folder)
    images = Images(request.folder, request.drawn).by_stem()
    annotated: list[Annotated] = []
    for task in sorted({task for _, task, _, _ in brushes}, key=int):
        image = images.get(task) or images.get(f"task-{task}")
        if image is None:
            raise DatasetError(
                f"{request.folder}: brush PNGs do not say which image task {task} is: export as JSON instead, or name "
                f"the image {task}.jpg"
            )
        mine = [one for one in brushes if one[1] == task]
        newest = max(number for _, _, number, _ in mine)
        regions = [Region(name, partial(_brush, path)) for path, _, number, name in mine if number == newest]
        annotated.append(Annotated(image, *picture_shape(image), regions, mine[0][0]))
    description = draw(annotated, names_of(annotated), request, "**/task-*.png")
    description.notes.append(
        "brush PNGs have no polygons and no order: where regions overlap, the JSON export is right"
    )
    return description


def _brush(path: Path) -> Mask:
    mask: Mask = read_label_file(path).values > 127
    return mask


FORMATS = (
    Format("label-studio", "Label Studio JSON", lambda folder: bool(_tasks(folder)), _describe),
    Format(
        "label-studio-brush",
        "Label Studio brush PNGs",
        lambda folder: bool(_brush_files(folder)) and not _tasks(folder),
        _describe_brushes,
    ),
)
