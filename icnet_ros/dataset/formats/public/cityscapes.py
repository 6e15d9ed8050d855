"""Cityscapes and data sets in its tree or its ids: IDD, ACDC, Foggy Cityscapes, KITTI, KITTI-360."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.cityscapes import LABEL_IDS
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    has,
    read_json,
    with_validation,
)
from icnet_ros.dataset.formats.drawing import Annotated, Region, draw, each
from icnet_ros.dataset.formats.raster import polygon

CLASSES = "cityscapes"
# KITTI-360 has ids of its own from 34; these belong to evaluated classes: garage, gate, smallpole.
KITTI_360 = {34: "building", 35: "fence", 37: "pole"}
# IDD's classes of level 3 by id (AutoNUE/public-code, anue_labels.py); named as the first label of each.
IDD = (
    "road", "drivable fallback", "sidewalk", "non-drivable fallback", "person", "rider", "motorcycle", "bicycle",
    "autorickshaw", "car", "truck", "bus", "vehicle fallback", "curb", "wall", "fence", "guard rail", "billboard",
    "traffic sign", "traffic light", "pole", "obs-str-bar-fallback", "building", "bridge", "vegetation", "sky",
)  # fmt: skip
# Labels of the polygons that share a class of level 3 with another one.
IDD_MEMBERS = {
    "parking": "drivable fallback", "rail track": "non-drivable fallback", "animal": "person",
    "caravan": "vehicle fallback", "trailer": "vehicle fallback", "train": "vehicle fallback", "polegroup": "pole",
    "tunnel": "bridge", "fallback background": "sky",
}  # fmt: skip


class Tree(NamedTuple):
    """Folders IMAGES/SPLIT/*/ and LABELS/SPLIT/*/. suffix: of the images' names. label: instead of it."""

    images: str
    labels: str
    suffix: str
    label: str


def label_ids(more: dict[int, str] | None = None) -> Values:
    """Entries of a source for labelIds: those that the benchmark counts; all others count nowhere."""
    names = load_classes(CLASSES).names
    return {"mapping": dict(zip(LABEL_IDS, names, strict=True)) | (more or {}), "others": "ignore"}


# Class table of label files, and whether they hold labelIds, by the end of their names.
KINDS: dict[str, tuple[str, bool]] = {
    "labelIds": (CLASSES, True),
    "labelTrainIds": (CLASSES, False),
    "labelcsTrainIds": (CLASSES, False),
    "labelcsIds": (CLASSES, True),
    "labellevel3Ids": ("idd", False),
}


def _trees(folder: Path) -> list[Tree]:
    found = []
    for images in sorted(path for path in folder.glob("leftImg8bit*") if path.is_dir()):
        first = next(images.glob("*/**/*_leftImg8bit*.*"), None)
        for labels in ("gtFine", "gtCoarse"):
            if first is not None and (folder / labels).is_dir():
                suffix = first.stem[first.stem.index("_leftImg8bit") :]
                found.append(Tree(images.name, labels, suffix, f"_{labels}_"))
                break
    return found


def _describe(request: Request) -> Description:
    if (request.folder / "label_colors.txt").is_file():
        raise DatasetError(
            f"{request.folder}: CVAT's and datumaro's exports in Cityscapes' tree number the labels of the task, not "
            "those of Cityscapes: export as Segmentation mask 1.1 (voc_segmentation)"
        )
    splits: dict[str, list[Values]] = {}
    kinds = [
        kind
        for kind in KINDS
        if any(has(request.folder / t.labels, f"*/*/*{t.label}{kind}.png") for t in _trees(request.folder))
    ]
    if not kinds:
        return _from_polygons(request)
    classes, by_id = KINDS[kinds[0]]
    rules: Values = label_ids() if by_id else {}
    for tree in _trees(request.folder):
        # Foggy images come three times, with three densities.
        suffixes = {
            path.stem[path.stem.index("_leftImg8bit") :] for path in (request.folder / tree.images).glob("*/*/*.*")
        }
        for split in sorted(path.name for path in (request.folder / tree.images).iterdir() if path.is_dir()):
            if has(request.folder / tree.labels, f"{split}/*/*{tree.label}{kinds[0]}.png"):
                source = {"images": f"{tree.images}/{split}", "labels": f"{tree.labels}/{split}", "pattern": "*/*"}
                pattern = dict.fromkeys(sorted(suffixes, reverse=True), f"{tree.label}{kinds[0]}")
                splits.setdefault(split, []).append({**source, "label_pattern": pattern, **rules})
    table: Values | str = class_table(IDD, _idd_colours()) if classes == "idd" else classes
    return Description(table, with_validation(splits), notes=[f"labels: {kinds[0]}"])


def _idd_colours() -> dict[str, tuple[int, int, int]]:
    city = load_classes(CLASSES)
    return dict(zip(city.names, city.colours, strict=True))


def _from_polygons(request: Request) -> Description:
    """Draw the polygons as cityscapesScripts and IDD's scripts do, in order, later ones on top."""
    (tree, *_) = _trees(request.folder)
    files = sorted((request.folder / tree.labels).glob(f"*/*/*{tree.label}polygons.json"))
    contents = {path: read_json(path) for path in files}
    used = {str(one.get("label")) for content in contents.values() for one in content.get("objects", [])}
    idd = bool(used & {"autorickshaw", "billboard", "drivable fallback", "obs-str-bar-fallback", "curb"})
    names = list(IDD) if idd else list(load_classes(CLASSES).names)
    annotated = []
    for path, content in contents.items():
        split, city = path.parts[-3:-1]
        stem = path.name.replace(f"{tree.label}polygons.json", tree.suffix)
        found = sorted((request.folder / tree.images / split / city).glob(f"{stem}.*"))
        if found:
            size = int(content["imgHeight"]), int(content["imgWidth"])
            regions = []
            for one in each(content, "objects", f"{path}"):
                name = _label(str(one.get("label")), names, idd=idd)
                if name and not one.get("deleted"):
                    regions.append(Region(name, partial(polygon, [one["polygon"]], *size, "pillow")))
            annotated.append(Annotated(found[0], *size, regions, path, split))
    return draw(annotated, [*names, "void"], request, f"{tree.labels}/*/*/*polygons.json", _idd_colours())


def _label(name: str, names: list[str], *, idd: bool) -> str:
    """Class of a polygon; "void" for labels that are not evaluated, "" for those that are not drawn."""
    if name == "license plate":
        return "void" if idd else ""  # Cityscapes leaves what is below, IDD does not
    if name == "polegroup" and not idd:
        return "void"  # a label of its own in Cityscapes, as no other group
    name = IDD_MEMBERS.get(name, name) if idd else name
    if name not in names and name.endswith("group"):
        name = name[: -len("group")]
    return name if name in names else "void"


def _describe_acdc(request: Request) -> Description:
    splits: dict[str, list[Values]] = {}
    for folder in sorted((request.folder / "rgb_anon").glob("*/*")):
        condition, split = folder.parts[-2:]
        if has(request.folder, f"gt/{condition}/{split}/*/*_gt_labelIds.png"):
            source = {
                "name": condition,
                "images": f"rgb_anon/{condition}/{split}",
                "labels": f"gt/{condition}/{split}",
                "pattern": "*/*_rgb_anon.*",
                "label_pattern": {"_rgb_anon": "_gt_labelIds"},
                **label_ids(),
            }
            splits.setdefault(split, []).append(source)
    return Description(CLASSES, with_validation(splits))


def _describe_kitti(_: Request) -> Description:
    source = {"images": "training/image_2", "labels": "training/semantic", **label_ids()}
    return Description(CLASSES, with_validation({"train": [source]}))


def _describe_kitti_360(request: Request) -> Description:
    source = {
        "images": ".",
        "labels": ".",
        "pattern": "data_2d_raw/*/image_00/data_rect/*",
        "label_pattern": {"data_2d_raw": "data_2d_semantics/train", "data_rect": "semantic"},
        "missing_labels": "skip",
        **label_ids(KITTI_360),
    }
    lists = sorted((request.folder / "data_2d_semantics" / "train").glob("*_frames.txt"))
    named = {path.stem.split("_")[-2]: path.relative_to(request.folder).as_posix() for path in lists}
    if {"train", "val"} <= named.keys():
        return Description(CLASSES, {split: [{**source, "list": named[split]}] for split in ("train", "val")})
    return Description(CLASSES, with_validation({"train": [source]}))


FORMATS = (
    Format("cityscapes", "Cityscapes, IDD, Foggy Cityscapes", lambda folder: bool(_trees(folder)), _describe),
    Format("acdc", "ACDC", lambda folder: has(folder, "rgb_anon/*/*/*/*_rgb_anon.*", "gt"), _describe_acdc),
    Format(
        "kitti",
        "KITTI semantics",
        # CVAT's exports in this tree number the labels of the task.
        lambda folder: has(folder, "training/image_2/*", "training/semantic/*") and not has(folder, "label_colors.txt"),
        _describe_kitti,
    ),
    Format(
        "kitti-360", "KITTI-360", lambda folder: has(folder, "data_2d_raw", "data_2d_semantics"), _describe_kitti_360
    ),
)
