"""COCO: polygons and run lengths of instances, and panoptic PNGs (also WildDash 2)."""

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import DatasetError, read_label_file
from icnet_ros.dataset.formats.base import Description, Format, Request, files, read_json, split_of
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, each
from icnet_ros.dataset.formats.raster import Mask, coco_rle, polygon

PLACES = ("*.json", "annotations/*.json", "*/*.coco.json", "*/*.json", "*/annotations/*.json")

# What the scripts of public data sets write into their trees: cityscapesScripts, Mask2Former's for ADE20K.
OF_OTHERS = ("cityscapes_panoptic_", "ade20k_panoptic_", "ade20k_instance_")


def _files(folder: Path) -> list[Path]:
    return [path for path in files(folder, *PLACES) if _is_coco(read_json(path))]


def _recognise(folder: Path) -> bool:
    return any(not path.name.startswith(OF_OTHERS) for path in _files(folder))


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(k), list) for k in ("images", "annotations", "categories")
    )


def _has_keypoints(content: Any) -> bool:
    return any("keypoints" in one for one in content["categories"])


def _describe(request: Request) -> Description:
    images, found = Images(request.folder, request.drawn), _files(request.folder)
    contents = {path: read_json(path) for path in found}
    # COCO's own person_keypoints_*.json repeat the persons of instances_*.json.
    paths = [path for path in found if not _has_keypoints(contents[path])] or found
    contents = {path: contents[path] for path in paths}
    names = _categories(contents)
    notes = [f"{path.name}: keypoints, left out" for path in found if path not in paths]
    annotated = [one for path in paths for one in _annotated(path, contents[path], names, images, notes, request)]
    used = {region.name for one in annotated for region in one.regions}
    if annotated and not used:
        raise DatasetError(f"{paths[0]}: its annotations are boxes without a segmentation")
    if unused := [name for name in names.values() if name not in used]:
        notes.append(f"categories without a region are left out: {', '.join(unused)}")
    made = [path.relative_to(request.folder).as_posix() for path in paths]
    pattern = made[0] if len(made) == 1 else "**/*.json"
    description = draw(annotated, [name for name in dict.fromkeys(names.values()) if name in used], request, pattern)
    description.notes += notes
    return description


def _categories(contents: dict[Path, Any]) -> dict[int, str]:
    """Names by id; the same in all files. Raises DatasetError."""
    names: dict[int, str] = {}
    for path, content in contents.items():
        for one in each(content, "categories", f"{path}"):
            if names.setdefault(one["id"], str(one["name"])) != one["name"]:
                raise DatasetError(
                    f"{path}: category {one['id']} is {one['name']}, another file has {names[one['id']]}"
                )
    return dict(sorted(names.items()))


def _annotated(
    path: Path, content: Any, names: dict[int, str], images: Images, notes: list[str], request: Request
) -> Iterator[Annotated]:
    by_image: dict[Any, list[Any]] = {}
    for one in content["annotations"]:
        by_image.setdefault(one.get("image_id"), []).append(one)
    below = path.parent.relative_to(request.folder).parts
    split = next(filter(None, map(split_of, (path.stem, *reversed(below)))), "")
    absent, empty = [], []
    for entry in content["images"]:
        image = images.find(entry["file_name"], path.parent, split)
        if image is None:
            absent.append(entry["file_name"])
        elif entry["id"] in by_image or request.background:
            size = int(entry["height"]), int(entry["width"])
            regions = [region for one in by_image.get(entry["id"], []) for region in _regions(one, size, names, path)]
            yield Annotated(image, *size, regions, path, split)
        else:
            empty.append(entry["file_name"])
    if empty:
        notes.append(f"{path.name}: {len(empty)} images without annotations are left out, e.g. {empty[0]}")
    if absent:
        notes.append(f"{path.name}: {len(absent)} of its images are not there, e.g. {absent[0]}")


def _regions(one: Any, size: tuple[int, int], names: dict[int, str], path: Path) -> Iterator[Region]:
    if "segments_info" in one:
        folders = path.with_suffix(""), path.parent / "panoptic", path.parent
        png = next((place for folder in folders if (place := folder / one["file_name"]).is_file()), None)
        if png is None:
            raise DatasetError(f"{path}: its PNG {one['file_name']} is not in {folders[0]} or {folders[1]}")
        for segment in one["segments_info"]:
            yield Region(names[segment["category_id"]], partial(_segment, png, segment["id"]))
    elif one.get("segmentation"):
        yield Region(names[one["category_id"]], partial(_mask, one["segmentation"], *size))


def _mask(segmentation: Any, height: int, width: int) -> Mask:
    """A dict holds run lengths; a list polygons that belong together, each [x, y, x, y, ...]."""
    if isinstance(segmentation, dict):
        return coco_rle(segmentation)
    mask = np.zeros((height, width), bool)
    for flat in segmentation:
        mask |= polygon([list(zip(flat[::2], flat[1::2], strict=True))], height, width, "centre")
    return mask


def _segment(path: Path, number: int) -> Mask:
    mask: Mask = panoptic_ids(path) == number
    return mask


@lru_cache(maxsize=1)  # an image has many segments
def panoptic_ids(path: Path) -> npt.NDArray[np.int32]:
    """Ids of the segments (H, W) in a PNG whose colours are numbers: red + 256 green + 65536 blue."""
    values = read_label_file(path).values
    if values.ndim != 3:
        raise DatasetError(f"{path}: not a PNG of colours, as the segments of an image are stored")
    wide = values.astype(np.int32)
    ids: npt.NDArray[np.int32] = wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16
    return ids


FORMATS = (Format("coco", "COCO instances or panoptic", _recognise, _describe),)
