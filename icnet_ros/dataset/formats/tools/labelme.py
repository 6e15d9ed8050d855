"""labelme: a JSON file beside each image."""

import base64
import binascii
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import Description, Format, Request, files, read_json
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, each, names_of
from icnet_ros.dataset.formats.raster import Mask, polygon

AREAS = ("polygon", "rectangle", "oriented_rectangle", "circle", "mask")


def _recognise(folder: Path) -> bool:
    first = next(iter(files(folder, "**/*.json")), None)
    content = read_json(first) if first else None
    return isinstance(content, dict) and "shapes" in content and "imagePath" in content


def _describe(request: Request) -> Description:
    images = Images(request.folder, request.drawn)
    annotated: list[Annotated] = []
    lines = 0
    absent: list[str] = []
    for path in files(request.folder, "**/*.json"):
        content = read_json(path)
        if not isinstance(content, dict) or "shapes" not in content:
            continue
        shapes = list(each(content, "shapes", f"{path}"))
        image = images.find(str(content.get("imagePath", "")), path.parent)
        if image is None:
            absent.append(str(content.get("imagePath", path.name)))
            continue
        areas = [shape for shape in shapes if shape.get("shape_type", "polygon") in AREAS]
        lines += len(shapes) - len(areas)
        try:
            size = int(content["imageHeight"]), int(content["imageWidth"])
            regions = [Region(str(shape["label"]), partial(_mask, shape, *size)) for shape in areas]
        except (KeyError, TypeError, ValueError) as err:
            raise DatasetError(f"{path}: not a labelme file ({type(err).__name__}: {err})") from err
        annotated.append(Annotated(image, *size, regions, path))
    description = draw(annotated, names_of(annotated), request, "**/*.json")
    if lines:
        description.notes.append(f"{lines} points and lines have no area and are left out")
    if absent:
        description.notes.append(f"{len(absent)} annotated images are not there, e.g. {absent[0]}")
    return description


def _mask(shape: dict[str, Any], height: int, width: int) -> Mask:
    """Mask of a shape, as labelme's own converters draw it."""
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        kind = shape.get("shape_type", "polygon")
        if kind in ("polygon", "oriented_rectangle"):
            return polygon([points], height, width, "pillow")
        picture = Image.new("1", (width, height))
        (x0, y0), (x1, y1) = points
        if kind == "mask":
            with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as stored:
                # labelme stores bytes of 0 and 1.
                picture.paste(Image.fromarray(np.asarray(stored) > 0), (int(x0), int(y0)))
        elif kind == "rectangle":
            box = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
            ImageDraw.Draw(picture).rectangle(box, fill=1, outline=1)
        else:
            radius = float(np.hypot(x1 - x0, y1 - y0))
            ImageDraw.Draw(picture).ellipse((x0 - radius, y0 - radius, x0 + radius, y0 + radius), fill=1, outline=1)
    except (KeyError, TypeError, ValueError, OSError, binascii.Error) as err:
        raise DatasetError(f"not a shape of labelme ({type(err).__name__}: {err})") from err
    return np.array(picture)


FORMATS = (Format("labelme", "labelme JSON", _recognise, _describe),)
