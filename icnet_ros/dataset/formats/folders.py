"""Simulators (CARLA, Gazebo) and plain folders: pictures beside label pictures, whose classes no file names."""

from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    fold_background,
    pictures,
    shipped_classes,
    split_of,
    with_validation,
)
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.stored_picture import read_stored

IMAGES = ("images", "image", "rgb", "img", "imgs", "camera", "CameraRGB", "img_dir", "data")
LABELS = (
    "labels", "label", "masks", "mask", "annotations", "semantic", "semantic_segmentation", "segmentation", "seg",
    "gt", "ids", "labels_map", "CameraSeg", "CameraSemSeg", "ann_dir",
)  # fmt: skip
# CARLA's tags by id (its documentation, "Semantic segmentation camera"): until 0.9.13, and since 0.9.14.
CARLA_13 = (
    "Unlabeled", "Building", "Fence", "Other", "Pedestrian", "Pole", "RoadLine", "Road", "SideWalk", "Vegetation",
    "Vehicles", "Wall", "TrafficSign", "Sky", "Ground", "Bridge", "RailTrack", "GuardRail", "TrafficLight", "Static",
    "Dynamic", "Water", "Terrain",
)  # fmt: skip
CARLA = (
    "Unlabeled", "Roads", "SideWalks", "Building", "Wall", "Fence", "Pole", "TrafficLight", "TrafficSign",
    "Vegetation", "Terrain", "Sky", "Pedestrian", "Rider", "Car", "Truck", "Bus", "Train", "Motorcycle", "Bicycle",
    "Static", "Dynamic", "Other", "Water", "RoadLine", "Ground", "Bridge", "RailTrack", "GuardRail",
)  # fmt: skip


def _pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """(split, images, labels): IMAGES beside LABELS, in the folder, in SPLIT/ or with SPLIT/ below them."""
    found: list[tuple[str, Path, Path]] = []
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        images = next((place / name for name in IMAGES if (place / name).is_dir()), None)
        labels = next((place / name for name in LABELS if (place / name).is_dir()), None)
        if images is None or labels is None:
            continue
        below = sorted(one.name for one in images.iterdir() if one.is_dir() and (labels / one.name).is_dir())
        if pictures(images):
            found.append((split_of(place.name) if place != folder else "", images, labels))
        else:
            found += [(split_of(name), images / name, labels / name) for name in below]
    return found


def _kind(folder: Path) -> str:
    """What the first label file holds: "red", "wide" (ids as RGB or in 16 bits), "ids", "colours", "" for none."""
    files = [path for _, _, labels in _pairs(folder) for path in pictures(labels, "**/*")[:1]]
    if not files:
        return ""
    try:
        values = read_stored(files[0]).values
    except WireError as err:
        raise DatasetError(f"{files[0]}: {err}") from err
    if values.ndim == 2:
        return "ids" if values.dtype == np.uint8 else "wide"
    red, others = values[..., 0], values[..., 1:3]
    if not others.any() and red.any() and red.max() < len(CARLA):
        return "red"
    return "wide" if bool((others == red[..., None]).all()) else "colours"


def _sources(request: Request, rules: Values) -> dict[str, list[Values]]:
    splits: dict[str, list[Values]] = {}
    for split, images, labels in _pairs(request.folder):
        below = {path.suffix for path in pictures(images, "*")}
        source = {
            "images": images.relative_to(request.folder).as_posix(),
            "labels": labels.relative_to(request.folder).as_posix(),
            **({} if below else {"pattern": "**/*"}),
            **rules,
        }
        splits.setdefault(split, []).append(source)
    return with_validation(splits)


def _carla(tags: tuple[str, ...], request: Request) -> Description:
    folded = fold_background(tags, request)
    mapping = {index: folded.mapping.get(name, name) for index, name in enumerate(tags)}
    splits = _sources(request, {"encoding": "red", "mapping": mapping})
    return Description(class_table(folded.names), splits, notes=folded.notes)


def _describe(request: Request) -> Description:
    table, _ = shipped_classes(request, "a pair of folders")
    found = load_classes(request.classes)
    colours = {name: list(colour) for name, colour in zip(found.names, found.colours, strict=True)}
    rules: dict[str, Values] = {"wide": {"encoding": "grey"}, "colours": {"labelmap": colours}}
    return Description(table, _sources(request, rules.get(_kind(request.folder), {})))


def _is(folder: Path, *kinds: str) -> bool:
    return _kind(folder) in kinds


FORMATS = (
    Format("carla", "CARLA 0.9.14 and later", lambda one: _is(one, "red"), lambda request: _carla(CARLA, request)),
    Format(
        "carla-0.9.13", "CARLA until 0.9.13", lambda one: _is(one, "red"), lambda request: _carla(CARLA_13, request)
    ),
    Format(
        "folders", "Gazebo, or folders of images and labels", lambda one: _is(one, "wide", "ids", "colours"), _describe
    ),
)
