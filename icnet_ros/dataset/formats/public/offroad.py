"""Data sets beyond roads: RUGD, RELLIS-3D, GOOSE."""

from pathlib import Path

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
    id_mapping,
    read_csv,
    with_validation,
)
from icnet_ros.files import read_text

RUGD = "RUGD_annotation-colormap.txt"
GOOSE = "goose_label_mapping.csv"
# Ids of RELLIS-3D (unmannedlab/RELLIS-3D, README and dataset loaders, where 29 and 30 count as grass and 32 as water).
RELLIS = {
    0: "void", 1: "dirt", 3: "grass", 4: "tree", 5: "pole", 6: "water", 7: "sky", 8: "vehicle", 9: "object",
    10: "asphalt", 12: "building", 15: "log", 17: "person", 18: "fence", 19: "bush", 23: "concrete", 27: "barrier",
    29: "grass", 30: "grass", 31: "puddle", 32: "water", 33: "mud", 34: "rubble",
}  # fmt: skip


def _colourmap(folder: Path) -> Path | None:
    return next(iter([*folder.glob(RUGD), *folder.glob(f"*/{RUGD}")]), None)


def _describe_rugd(request: Request) -> Description:
    path = _colourmap(request.folder) or request.folder / RUGD
    rows = [line.split() for line in read_text(path).splitlines() if line.strip()]
    try:
        colours = {row[1]: (int(row[2]), int(row[3]), int(row[4])) for row in rows}
    except (ValueError, IndexError) as err:
        raise DatasetError(f"{path}: not lines of id, name, red, green, blue ({err})") from err
    folded = fold_background(list(colours), request)
    source: Values = {
        "images": "RUGD_frames-with-annotations",
        "labels": "RUGD_annotations",
        "pattern": "*/*",
        "labelmap": {name: list(colour) for name, colour in colours.items()},
        "mapping": folded.mapping,
        "missing_labels": "skip",
    }
    return Description(class_table(folded.names, colours), with_validation({"train": [source]}), notes=folded.notes)


def _describe_rellis(request: Request) -> Description:
    folder = request.folder / "Rellis-3D" if (request.folder / "Rellis-3D").is_dir() else request.folder
    where = folder.relative_to(request.folder).as_posix()
    folded, mapping = id_mapping(list(RELLIS.items()), request)
    source: Values = {
        "images": where,
        "labels": where,
        "pattern": "*/pylon_camera_node/*",
        "label_pattern": {"pylon_camera_node": "pylon_camera_node_label_id"},
        "missing_labels": "skip",
        "encoding": "ids",
        "mapping": mapping,
    }
    lists = {path.stem: path.relative_to(request.folder).as_posix() for path in request.folder.glob("**/*.lst")}
    names = list(dict.fromkeys(folded.names))
    if {"train", "val"} <= lists.keys():
        splits: dict[str, list[Values]] = {
            split: [{**source, "list": lists[split]}] for split in ("train", "val", "test") if split in lists
        }
        return Description(class_table(names), splits, notes=folded.notes)
    return Description(class_table(names), with_validation({"train": [source]}), notes=folded.notes)


def _describe_goose(request: Request) -> Description:
    path = request.folder / GOOSE
    try:
        rows = sorted((int(row["label_key"]), row["class_name"], row["hex"]) for row in read_csv(path))
    except (KeyError, ValueError) as err:
        raise DatasetError(f"{path}: not lines of class_name, label_key, has_instance, hex ({err})") from err
    folded, mapping = id_mapping([(key, name) for key, name, _ in rows], request)
    colours = {name: hex_colour(colour) for _, name, colour in rows}
    suffixes = ("_windshield_vis", "_front", "_camera_left", "_realsense")  # of GOOSE and GOOSE-Ex
    splits: dict[str, list[Values]] = {}
    for split in sorted(one.name for one in (request.folder / "images").iterdir() if one.is_dir()):
        if not has(request.folder, f"labels/{split}/*/*_labelids.png"):
            continue
        source = {
            "images": f"images/{split}",
            "labels": f"labels/{split}",
            "pattern": "*/*",
            "label_pattern": dict.fromkeys(suffixes, "_labelids"),
            "missing_labels": "skip",
            "mapping": mapping,
        }
        splits.setdefault(split, []).append(source)
    return Description(class_table(folded.names, colours), with_validation(splits), notes=folded.notes)


FORMATS = (
    Format("rugd", "RUGD", lambda folder: _colourmap(folder) is not None, _describe_rugd),
    Format(
        "rellis-3d",
        "RELLIS-3D",
        lambda folder: has(folder, "**/pylon_camera_node", "**/pylon_camera_node_label_id"),
        _describe_rellis,
    ),
    Format("goose", "GOOSE", lambda folder: has(folder, GOOSE, "images", "labels"), _describe_goose),
)
