"""nuImages: run lengths of surfaces and objects in tables of JSON."""

import base64
import binascii
from functools import partial
from pathlib import Path
from typing import Any

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import Description, Format, Request, has, read_json, split_of
from icnet_ros.dataset.formats.drawing import Annotated, Region, draw, names_of
from icnet_ros.dataset.formats.raster import Mask, coco_rle

TABLES = ("surface_ann", "object_ann")  # in this order: nuscenes-devkit draws objects on top
SIZE = 900, 1600  # height and width of all images


def _describe(request: Request) -> Description:
    annotated: list[Annotated] = []
    absent: list[str] = []
    for folder in _versions(request.folder):
        names = {one["token"]: str(one["name"]) for one in read_json(folder / "category.json")}
        by_image: dict[str, list[Any]] = {}
        for table in TABLES:
            for one in sorted(read_json(folder / f"{table}.json"), key=lambda one: _order(table, one)):
                if one["mask"] is not None:
                    by_image.setdefault(one["sample_data_token"], []).append(one)
        for frame in read_json(folder / "sample_data.json"):
            image = request.folder / frame["filename"]
            if frame["token"] in by_image and image.is_file():
                size = int(frame.get("height", SIZE[0])), int(frame.get("width", SIZE[1]))
                regions = [
                    Region(names[one["category_token"]], partial(_mask, one["mask"]))
                    for one in by_image[frame["token"]]
                ]
                annotated.append(Annotated(image, *size, regions, folder / "object_ann.json", split_of(folder.name)))
            elif frame["token"] in by_image:
                absent.append(frame["filename"])
    description = draw(annotated, names_of(annotated), request, "v1.0-*/*_ann.json")
    if absent:
        description.notes.append(f"{len(absent)} annotated images are not there, e.g. {absent[0]}")
    return description


def _versions(folder: Path) -> list[Path]:
    """Folders of tables: v1.0-train, v1.0-val; v1.0-mini where it is alone, as its images are in the others, too."""
    found = sorted(path.parent for path in folder.glob("v1.0-*/object_ann.json"))
    return [path for path in found if path.name != "v1.0-mini"] or found


def _order(table: str, annotation: Any) -> str:
    """Key for sorting: nuscenes-devkit draws surfaces in the order of the file, objects by token."""
    return str(annotation["token"]) if table == "object_ann" else ""


def _mask(mask: Any) -> Mask:
    """A mask of COCO's run lengths, of which the text is in base 64 once more. Raises DatasetError."""
    try:
        return coco_rle({**mask, "counts": base64.b64decode(mask["counts"])})
    except (KeyError, TypeError, binascii.Error) as err:
        raise DatasetError(f"not a mask of nuImages ({type(err).__name__}: {err})") from err


FORMATS = (
    Format(
        "nuimages",
        "nuImages",
        lambda folder: has(folder, "v1.0-*/object_ann.json", "v1.0-*/surface_ann.json"),
        _describe,
    ),
)
