"""Datasets that a YAML file describes: folders of images and labels, mixed from several sources.

    name: street
    classes: cityscapes            # a shipped class table by name, the path of one, or the table itself
    licence: non-commercial
    splits:
      train:
        - {images: train/images, labels: train/labels}
        - {name: night, images: night/images, labels: night/labels, pattern: "n_*", repeat: 3}
        - {images: JPEGImages, labels: SegmentationClass, labelmap: labelmap.txt, mapping: {background: ignore}}
      val:
        - {images: val/images, labels: val/labels}

Paths are relative to the file, or to the root folder if one is given. Each entry is a source: its scores are
reported under `name` (default: its label folder), `pattern` selects images by file name, and each image is used
`repeat` times per epoch. Labels are PNGs with the image's name: class ids, a palette (its indices are ids), or the
colours of the class table. `labelmap` names a file with other colours, `label_classes` another class table that the
files have; `mapping` gives the class of each of their names or ids, or "ignore".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.dataset.base import Dataset, DatasetError, LabelReader, Pair, pair_up
from icnet_ros.dataset.label_files import label_reader, of_table, read_labelmap
from icnet_ros.documents import DocumentError, read_yaml

MAX_REPEAT = 1000
KEYS = ("name", "classes", "licence", "splits")
SOURCE_KEYS = ("images", "labels", "name", "pattern", "repeat", "labelmap", "label_classes", "mapping")


def load_descriptor(file: Path, split: str, root: Path | None = None) -> Dataset:
    """A split of the dataset that `file` describes; paths are relative to `root`, default the folder of the file.

    Raises DatasetError.
    """
    try:
        content = read_yaml(file)
    except OSError as err:
        raise DatasetError(f"{file}: {(err.strerror or str(err)).lower()}") from err
    except DocumentError as err:
        raise DatasetError(str(err)) from err
    values = _checked(content, KEYS, ("classes", "splits"), f"{file}")
    splits = values["splits"]
    if not isinstance(splits, dict) or not all(isinstance(entries, list) for entries in splits.values()):
        raise DatasetError(f"{file}: splits is not a list of sources for each split")
    if split not in splits:
        raise DatasetError(f"{file}: no split {split!r}; it has {', '.join(map(str, splits)) or 'none'}")
    folder = root or file.parent
    name = str(values.get("name") or file.stem)
    classes = _classes(values["classes"], file)
    pairs: list[Pair] = []
    for number, entry in enumerate(splits[split], 1):
        pairs += _source(entry, folder, classes, f"{file}: source {number} of {split}")
    if not pairs:
        raise DatasetError(f"{file}: split {split} has no source")
    return Dataset(name, split, classes, pairs, str(values.get("licence", "")))


def _source(entry: Any, folder: Path, classes: ClassTable, where: str) -> list[Pair]:
    values = _checked(entry, SOURCE_KEYS, ("images", "labels"), where)
    repeat = values.get("repeat", 1)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MAX_REPEAT:
        raise DatasetError(f"{where}: repeat is {repeat!r}, it must be an integer >= 1, at most {MAX_REPEAT}")
    for key in ("images", "labels", "name", "pattern", "labelmap", "label_classes"):
        if not isinstance(values.get(key, ""), str):
            raise DatasetError(f"{where}: {key} is {values[key]!r}, it must be a string")
    images, labels = (folder / values[key] for key in ("images", "labels"))
    pattern = values.get("pattern", "*")
    pairs = pair_up(images, labels, lambda path: f"{path.stem}.png", _reader(values, folder, classes, where), pattern)
    name = values.get("name", values["labels"])
    return [pair._replace(source=name) for pair in pairs for _ in range(repeat)]


def _reader(values: Mapping[str, Any], folder: Path, classes: ClassTable, where: str) -> LabelReader:
    mapping = values.get("mapping", {})
    if not isinstance(mapping, dict):
        raise DatasetError(f"{where}: mapping is {mapping!r}, it must be a mapping of names or ids to classes")
    if "labelmap" in values and "label_classes" in values:
        raise DatasetError(f"{where}: labelmap and label_classes exclude each other")
    if "labelmap" in values:
        stored = read_labelmap(folder / values["labelmap"])
    else:
        stored = of_table(_classes(values["label_classes"], folder / "x") if "label_classes" in values else classes)
    return label_reader(stored, classes, mapping, where)


def _classes(named: Any, file: Path) -> ClassTable:
    try:
        if isinstance(named, dict):
            return ClassTable.from_dict({"name": file.stem, **named}, "classes")
        path = str(named)
        return load_classes(file.parent / path if path.endswith((".yaml", ".yml")) else path)
    except ClassTableError as err:
        raise DatasetError(f"{file}: {err}") from err


def _checked(values: Any, known: tuple[str, ...], needed: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise DatasetError(f"{where}: not a mapping of {', '.join(known)}; see docs/training.md for the form")
    if unknown := [key for key in values if key not in known]:
        raise DatasetError(f"{where}: no entry {unknown[0]!r}; there are {', '.join(known)}")
    if missing := [key for key in needed if key not in values]:
        raise DatasetError(f"{where}: {missing[0]} is missing")
    return values
