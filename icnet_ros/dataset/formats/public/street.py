"""Street data sets with trees of their own: Mapillary Vistas, BDD100K, A2D2, ADE20K's scenes."""

import re
from pathlib import Path

from icnet_ros.checkpoint.classes import Colour
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    fold_background,
    has,
    hex_colour,
    read_csv,
    read_json,
    split_of,
    with_validation,
)
from icnet_ros.dataset.formats.drawing import each
from icnet_ros.files import read_text

DRIVABLE, DRIVABLE_2018 = "labels/drivable/masks", "drivable_maps/labels"  # of BDD100K
CAMVID = ("701_StillsRaw_full", "LabeledApproved_full")  # the original release
COLOURS = ("class_dict.csv", "label_colors.txt")


def _vistas(folder: Path) -> tuple[Path, str] | None:
    """Class file and folder of the labels; version 2.0 before 1.2."""
    for config, labels in (
        ("config_v2.0.json", "v2.0/labels"),
        ("config_v1.2.json", "v1.2/labels"),
        ("config.json", "labels"),
    ):
        if (folder / config).is_file() and has(folder, f"training/{labels}"):
            return folder / config, labels
    return None


def _describe_vistas(request: Request) -> Description:
    config, labels = _vistas(request.folder) or (request.folder, "")
    entries = list(each(read_json(config), "labels", f"{config}"))
    names = [str(one["readable"]) for one in entries]
    names = [name if names.count(name) == 1 else str(one["name"]) for name, one in zip(names, entries, strict=True)]
    mapping = {k: name if entries[k].get("evaluate", True) else "ignore" for k, name in enumerate(names)}
    colours = {name: tuple(one["color"]) for name, one in zip(names, entries, strict=True)}
    # Several classes have one colour, so the palette says nothing.
    rules = {"encoding": "ids", "mapping": mapping}
    splits = {
        split: [{"images": f"{folder}/images", "labels": f"{folder}/{labels}", **rules}]
        for split, folder in (("train", "training"), ("val", "validation"))
        if (request.folder / folder / labels).is_dir()
    }
    table = class_table([name for name in mapping.values() if name != "ignore"], colours)
    return Description(table, with_validation(splits), notes=["classes that Vistas does not evaluate count nowhere"])


def _describe_bdd(request: Request) -> Description:
    new = (request.folder / "labels" / "sem_seg" / "masks").is_dir()
    images, labels = ("images/10k", "labels/sem_seg/masks") if new else ("seg/images", "seg/labels")
    splits = {
        split: [
            {"images": f"{images}/{split}", "labels": f"{labels}/{split}", "label_suffix": "" if new else "_train_id"}
        ]
        for split in ("train", "val")
        if (request.folder / labels / split).is_dir()
    }
    notes = ["drivable areas are there, too: --format bdd100k-drivable"] if _is_drivable(request.folder) else []
    return Description("cityscapes", with_validation(splits), notes=notes)


def _is_bdd(folder: Path) -> bool:
    return has(folder, "labels/sem_seg/masks") or has(folder, "seg/labels/*/*_train_id.png")


def _is_drivable(folder: Path) -> bool:
    return has(folder, DRIVABLE) or has(folder, f"{DRIVABLE_2018}/*/*_drivable_id.png")


def _describe_drivable(request: Request) -> Description:
    """Three classes: the release of 2018 counts from the background, the one of today from "direct"."""
    new = (request.folder / DRIVABLE).is_dir()
    labels, suffix = (DRIVABLE, "") if new else (DRIVABLE_2018, "_drivable_id")
    names = ("direct", "alternative", "background") if new else ("background", "direct", "alternative")
    splits: dict[str, list[Values]] = {}
    for split in ("train", "val"):
        if (request.folder / labels / split).is_dir():
            source = {"images": f"images/100k/{split}", "labels": f"{labels}/{split}", "label_suffix": suffix}
            splits[split] = [{**source, "missing_labels": "skip", "mapping": dict(enumerate(names))}]
    colours = {"direct": (219, 94, 86), "alternative": (86, 211, 219)}
    return Description(class_table(("direct", "alternative", "background"), colours), with_validation(splits))


def _describe_a2d2(request: Request) -> Description:
    colours = {str(name): hex_colour(colour) for colour, name in read_json(request.folder / "class_list.json").items()}
    # "Car 1", "Car 2", ... are instances of one class.
    mapping = {name: re.sub(r" \d+$", "", name) for name in colours}
    first = {mapping[name]: colours[name] for name in reversed(colours)}
    source: Values = {
        "images": ".",
        "labels": ".",
        "pattern": "*/camera/*/*",
        "label_pattern": {"camera": "label"},
        "labelmap": {name: list(colour) for name, colour in colours.items()},
        "mapping": {name: target for name, target in mapping.items() if name != target},
    }
    return Description(class_table(sorted(first), first), with_validation({"train": [source]}))


def _describe_ade20k(request: Request) -> Description:
    path = request.folder / "objectInfo150.txt"
    rows = [line.split("\t") for line in read_text(path).splitlines()[1:] if line.strip()]
    try:
        names = [row[-1].split(",")[0].strip() for row in sorted(rows, key=lambda row: int(row[0]))]
    except (ValueError, IndexError) as err:
        raise DatasetError(f"{path}: not lines of number, ratio, train, val, stuff and names ({err})") from err
    names = [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, 1)]
    splits = {
        split: [{"images": f"images/{folder}", "labels": f"annotations/{folder}", "reduce_zero_label": True}]
        for split, folder in (("train", "training"), ("val", "validation"))
    }
    return Description(class_table(names), splits, notes=["id 0, other, counts nowhere"])


def _describe_camvid(request: Request) -> Description:
    """Colours and their names: train beside train_labels (fast.ai) or trainannot (CVAT), or the original release.

    CVAT's and datumaro's exports in the tree of KITTI are like that, too; their ids are those of the task.
    """
    colours = _colours(request.folder)
    folded = fold_background(list(colours), request)
    splits: dict[str, list[Values]] = {}
    for images, labels in _camvid_pairs(request.folder):
        source: Values = {
            "images": images,
            "labels": labels,
            "label_suffix": "_L" if has(request.folder / labels, "*_L.png") else "",
            "labelmap": {one: list(colour) for one, colour in colours.items()},
            "mapping": folded.mapping,
        }
        splits.setdefault(split_of(images), []).append(source)
    return Description(class_table(folded.names, colours), with_validation(splits), notes=folded.notes)


def _camvid_pairs(folder: Path) -> list[tuple[str, str]]:
    """Names of folders of images and of labels."""
    if (folder / CAMVID[1]).is_dir():
        return [CAMVID]
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    pairs = [(name.removesuffix(end), name) for name in names for end in ("_labels", "annot") if name.endswith(end)]
    found = [(images, labels) for images, labels in pairs if images in names]
    kitti = [name for name in names if (folder / name / "semantic_rgb").is_dir()]
    return found or [(f"{name}/image_2", f"{name}/semantic_rgb") for name in kitti]


def _colours(folder: Path) -> dict[str, Colour]:
    """Colours by name. Raises DatasetError."""
    path = folder / "class_dict.csv"
    try:
        if path.is_file():
            return {row["name"]: (int(row["r"]), int(row["g"]), int(row["b"])) for row in read_csv(path)}
        path = folder / "label_colors.txt"
        rows = [line.split(maxsplit=3) for line in read_text(path).splitlines() if line.strip()]
        colours = {name.strip(): (int(red), int(green), int(blue)) for red, green, blue, name in rows}
        return colours if (0, 0, 0) in colours.values() else {"unlabelled": (0, 0, 0), **colours}  # as datumaro paints
    except (KeyError, ValueError) as err:
        raise DatasetError(f"{path}: not lines of a name and its red, green and blue ({err})") from err


FORMATS = (
    Format("vistas", "Mapillary Vistas", lambda folder: _vistas(folder) is not None, _describe_vistas),
    Format("bdd100k", "BDD100K", _is_bdd, _describe_bdd),
    Format(
        "bdd100k-drivable",
        "BDD100K drivable areas",
        lambda folder: _is_drivable(folder) and not _is_bdd(folder),
        _describe_drivable,
    ),
    Format("a2d2", "A2D2", lambda folder: has(folder, "class_list.json", "*/camera", "*/label"), _describe_a2d2),
    Format(
        "ade20k",
        "ADE20K scene parsing",
        lambda folder: has(folder, "objectInfo150.txt", "annotations/*"),
        _describe_ade20k,
    ),
    Format(
        "class-dict",
        "colours with class_dict.csv or label_colors.txt, as CamVid",
        lambda folder: any(has(folder, name) for name in COLOURS) and bool(_camvid_pairs(folder)),
        _describe_camvid,
    ),
)
