"""Segments.ai: a release JSON, and bitmaps whose 24 bits hold the id of an object."""

from functools import partial
from pathlib import Path
from typing import Any

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import Description, Format, Request, files, read_json
from icnet_ros.dataset.formats.coco import panoptic_ids
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, each
from icnet_ros.dataset.formats.raster import Mask


def _releases(folder: Path) -> list[tuple[Path, Any]]:
    found = [(path, read_json(path)) for path in files(folder, "*.json")]
    return [(path, content) for path, content in found if isinstance(content, dict) and _is_release(content)]


def _is_release(content: dict[str, Any]) -> bool:
    dataset = content.get("dataset")
    return isinstance(dataset, dict) and "task_attributes" in dataset and "samples" in dataset


def _describe(request: Request) -> Description:
    ((path, content), *more) = _releases(request.folder)
    if more:
        raise DatasetError(f"{request.folder}: two releases, {path.name} and {more[0][0].name}: leave one there")
    categories = list(each(content["dataset"]["task_attributes"], "categories", f"{path}"))
    names = {int(one["id"]): str(one["name"]) for one in categories}
    colours = {str(one["name"]): tuple(one["color"][:3]) for one in categories if one.get("color")}
    images = Images(request.folder, request.drawn)
    annotated: list[Annotated] = []
    absent, empty = [], []
    for sample in each(content["dataset"], "samples", f"{path}"):
        for labelset, label in (sample.get("labels") or {}).items():
            objects = ((label or {}).get("attributes") or {}).get("annotations")
            image, bitmap = (
                images.find(sample["name"]),
                images.find(f"{Path(sample['name']).stem}_label_{labelset}.png"),
            )
            if not objects:
                continue
            if image is None or bitmap is None:
                absent.append(sample["name"])
                continue
            regions = [Region(names[one["category_id"]], partial(_object, bitmap, one["id"])) for one in objects]
            height, width = panoptic_ids(bitmap).shape
            annotated.append(Annotated(image, height, width, regions, path))
            break
        else:
            empty += [sample["name"]] if sample["name"] not in absent else []
    description = draw(annotated, list(names.values()), request, path.name, colours)
    if empty:
        description.notes.append(f"{len(empty)} samples without annotations are left out, e.g. {empty[0]}")
    if absent:
        description.notes.append(
            f"{len(absent)} labelled samples have no image or no NAME_label_LABELSET.png here, e.g. {absent[0]}"
        )
    return description


def _object(path: Path, number: int) -> Mask:
    mask: Mask = panoptic_ids(path) == number
    return mask


FORMATS = (Format("segments-ai", "Segments.ai release", lambda folder: bool(_releases(folder)), _describe),)
