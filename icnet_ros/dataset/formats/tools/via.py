"""VGG Image Annotator (VIA), versions 1 and 2: projects and annotations as JSON."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import Description, Format, Request, Values, files, read_json, split_of
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, names_of, picture_shape
from icnet_ros.dataset.formats.raster import Mask, ellipse, polygon

PLACES = ("*.json", "*/*.json")
AREAS = ("polygon", "rect", "circle", "ellipse")
ONLY = "object"  # name of the class where regions have no attributes


def _entries(path: Path) -> list[Values]:
    """What the file says of each image; none if it is not of VIA."""
    content = read_json(path)
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else {}
    found = list(entries.values()) if isinstance(entries, dict) else []
    fits = all(isinstance(one, dict) and "filename" in one and "regions" in one for one in found)
    return found if fits else []


def _files(folder: Path) -> list[Path]:
    return [path for path in files(folder, *PLACES) if _entries(path)]


def _regions(entry: Values) -> list[Values]:
    """The regions of an image, which version 1 stores by number."""
    regions = entry["regions"]
    return list(regions.values() if isinstance(regions, dict) else regions)


def _describe(request: Request) -> Description:
    images, paths = Images(request.folder, request.drawn), _files(request.folder)
    contents = {path: _entries(path) for path in paths}
    areas = [one for entries in contents.values() for entry in entries for one in _regions(entry) if _is_area(one)]
    attribute = _attribute(areas, paths)
    annotated, absent, empty = [], [], []
    for path, entries in contents.items():
        for entry in entries:
            name = str(entry["filename"])
            split = split_of(path.stem) or split_of(path.parent.relative_to(request.folder).name)
            image = images.find(name, path.parent, split)
            found = [one for one in _regions(entry) if _is_area(one)]
            if image is None:
                absent.append(name)
            elif found or request.background:
                size = picture_shape(image)
                regions = [Region(_class(one, attribute, name), partial(_mask, one, *size)) for one in found]
                annotated.append(Annotated(image, *size, regions, path, split))
            else:
                empty.append(name)
    made = [path.relative_to(request.folder).as_posix() for path in paths]
    description = draw(annotated, names_of(annotated), request, made[0] if len(made) == 1 else "**/*.json")
    others = sum(len(_regions(entry)) for entries in contents.values() for entry in entries) - len(areas)
    description.notes += [
        f"{count} {what}"
        for count, what in (
            (others, "points and lines have no area and are left out"),
            (len(empty), f"images without a region are left out, e.g. {next(iter(empty), None)}"),
            (len(absent), f"annotated images are not there, e.g. {next(iter(absent), None)}"),
        )
        if count
    ]
    return description


def _is_area(region: Values) -> bool:
    return region["shape_attributes"].get("name") in AREAS


def _attribute(regions: list[Values], paths: list[Path]) -> str:
    """The attribute that names the class of the regions, "" if they have none. Raises DatasetError for several."""
    given = [{name for name, value in one["region_attributes"].items() if value} for one in regions]
    names = sorted(set().union(*given))
    whole = [name for name in names if all(name in one for one in given)]
    if len(names) > 1 and len(whole) != 1:
        raise DatasetError(
            f"{paths[0]}: regions have the attributes {', '.join(names)}: which is the class? Give every region one of "
            "them only, or export as COCO, with that attribute as a dropdown"
        )
    return next(iter(whole or names), "")


def _class(region: Values, attribute: str, image: str) -> str:
    """Name of the class; that of a checkbox is what is ticked. Raises DatasetError."""
    if not attribute:
        return ONLY
    value = region["region_attributes"].get(attribute)
    if isinstance(value, dict):
        value = " and ".join(name for name, ticked in value.items() if ticked)
    if not value:
        raise DatasetError(f"{image}: a {region['shape_attributes']['name']} has no {attribute}: name its class in VIA")
    return str(value).strip()


def _mask(region: Values, height: int, width: int) -> Mask:
    shape: dict[str, Any] = region["shape_attributes"]
    try:
        if shape["name"] == "polygon":
            points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
            return polygon([points], height, width, "centre")
        if shape["name"] == "rect":
            left, top = float(shape["x"]), float(shape["y"])
            right, bottom = left + float(shape["width"]), top + float(shape["height"])
            return polygon([[(left, top), (right, top), (right, bottom), (left, bottom)]], height, width, "centre")
        radii = [float(shape.get(name, shape.get("r", 0))) for name in ("rx", "ry")]
        degrees = float(np.rad2deg(float(shape.get("theta", 0))))
        return ellipse(float(shape["cx"]), float(shape["cy"]), (radii[0], radii[1]), degrees, height, width)
    except (KeyError, TypeError, ValueError) as err:
        raise DatasetError(f"not a region of VIA ({type(err).__name__}: {err})") from err


FORMATS = (Format("via", "VGG Image Annotator (VIA) JSON", lambda folder: bool(_files(folder)), _describe),)
