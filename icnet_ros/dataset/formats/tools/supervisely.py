"""Supervisely: projects (meta.json, img, ann) and their export as machine masks."""

import base64
import binascii
import io
import zlib
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    files,
    has,
    hex_colour,
    id_mapping,
    read_json,
    split_of,
    with_validation,
)
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, each
from icnet_ros.dataset.formats.raster import Mask, polygon

MACHINE = "obj_class_to_machine_color.json"


def _describe(request: Request) -> Description:
    meta = list(each(read_json(request.folder / "meta.json"), "classes", "meta.json"))
    images = Images(request.folder, request.drawn)
    annotated: list[Annotated] = []
    left_out = 0
    for path in files(request.folder, "**/ann/*.json"):
        content = read_json(path)
        image = images.find(path.stem, path.parents[1] / "img")
        if image is None:
            continue
        try:
            size = int(content["size"]["height"]), int(content["size"]["width"])
            objects = [one for one in each(content, "objects", f"{path}") if one.get("geometryType") in AREAS]
            left_out += len(content["objects"]) - len(objects)
            regions = [Region(str(one["classTitle"]), partial(_mask, one, *size)) for one in objects]
            split = split_of(path.parents[1].relative_to(request.folder).name)
        except (KeyError, TypeError, ValueError) as err:
            raise DatasetError(f"{path}: not an annotation of Supervisely ({type(err).__name__}: {err})") from err
        annotated.append(Annotated(image, *size, regions, path, split))
    colours = {str(one["title"]): hex_colour(one.get("color", "")) for one in meta if one.get("color")}
    description = draw(annotated, [str(one["title"]) for one in meta], request, "**/ann/*.json", colours)
    if left_out:
        description.notes.append(f"{left_out} objects without an area are left out")
    return description


def _mask(one: dict[str, Any], height: int, width: int) -> Mask:
    try:
        return AREAS[one["geometryType"]](one, height, width)
    except (KeyError, TypeError, ValueError, OSError, binascii.Error, zlib.error) as err:
        raise DatasetError(f"not an object of Supervisely ({type(err).__name__}: {err})") from err


def _polygon(one: dict[str, Any], height: int, width: int) -> Mask:
    points = one["points"]
    return polygon([points["exterior"], *points["interior"]], height, width, "opencv")


def _rectangle(one: dict[str, Any], height: int, width: int) -> Mask:
    (x0, y0), (x1, y1) = one["points"]["exterior"]
    return polygon([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], height, width, "opencv")


def _bitmap(one: dict[str, Any], height: int, width: int) -> Mask:
    """A small PNG at a place of the image, mostly compressed once more."""
    x, y = one["bitmap"]["origin"]
    content = base64.b64decode(one["bitmap"]["data"])
    with Image.open(io.BytesIO(content if content.startswith(b"\x89PNG") else zlib.decompress(content))) as stored:
        alpha = stored.getchannel("A") if stored.mode == "RGBA" else stored
        small = np.asarray(alpha) > 0
    mask = np.zeros((height, width), bool)
    mask[y : y + small.shape[0], x : x + small.shape[1]] = small[: height - y, : width - x]
    return mask


AREAS = {"polygon": _polygon, "rectangle": _rectangle, "bitmap": _bitmap}


def _describe_masks(request: Request) -> Description:
    content = read_json(request.folder / MACHINE)
    try:
        classes = sorted((int(colour[0]), str(name)) for name, colour in content.items())
    except (AttributeError, TypeError, ValueError, IndexError) as err:
        raise DatasetError(f"{request.folder / MACHINE}: not a class and its grey value a line ({err})") from err
    folded, mapping = id_mapping([(0, "unlabelled"), *classes], request)
    splits: dict[str, list[Values]] = {}
    for masks in files(request.folder, "**/masks_machine"):
        one = masks.parent.relative_to(request.folder)
        source = {
            "images": (one / "img").as_posix(),
            "labels": (one / "masks_machine").as_posix(),
            "encoding": "grey",  # grey stored as RGB
            "mapping": mapping,
        }
        splits.setdefault(split_of(one.name), []).append(source)
    return Description(class_table(folded.names), with_validation(splits), notes=folded.notes)


FORMATS = (
    Format(
        "supervisely-masks",
        "Supervisely machine masks",
        lambda folder: has(folder, MACHINE, "**/masks_machine"),
        _describe_masks,
    ),
    Format(
        "supervisely",
        "Supervisely project",
        lambda folder: has(folder, "meta.json", "**/ann/*.json") and not has(folder, MACHINE, "**/masks_machine"),
        _describe,
    ),
)
