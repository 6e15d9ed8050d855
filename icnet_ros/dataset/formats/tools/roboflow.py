"""Roboflow's "Semantic Segmentation Masks" (png-mask-semantic): NAME.jpg, NAME_mask.png, _classes.csv."""

from pathlib import Path

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    id_mapping,
    read_csv,
    split_of,
    with_validation,
)

CLASSES = "_classes.csv"


def _recognise(folder: Path) -> bool:
    return bool(_folders(folder)) and any(True for one in _folders(folder) for _ in one.glob("*_mask.png"))


def _folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (*folder.glob(CLASSES), *folder.glob(f"*/{CLASSES}")))


def _describe(request: Request) -> Description:
    tables = {tuple(_classes(one / CLASSES)) for one in _folders(request.folder)}
    if len(tables) > 1:
        raise DatasetError(f"{request.folder}: its {CLASSES} files differ between the splits")
    folded, mapping = id_mapping(tables.pop(), request)
    splits: dict[str, list[Values]] = {}
    for one in _folders(request.folder):
        name = one.relative_to(request.folder).as_posix()
        source = {"images": name, "labels": name, "label_suffix": "_mask", "mapping": mapping}
        splits.setdefault(split_of(name), []).append(source)
    return Description(class_table(folded.names), with_validation(splits), notes=folded.notes)


def _classes(path: Path) -> list[tuple[int, str]]:
    try:
        return [(int(row["pixel value"]), row["class"]) for row in read_csv(path)]
    except (KeyError, ValueError) as err:
        raise DatasetError(f"{path}: not lines of pixel value and class ({err})") from err


FORMATS = (Format("roboflow", "Roboflow png-mask-semantic", _recognise, _describe),)
