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

Paths are relative to the file, or to the root folder if one is given. Each entry is a source: its scores are reported
under `name` (default: its label folder), and each image is used `repeat` times per epoch. `pattern`, `list`, `part`,
`label_suffix`, `label_pattern` and `missing_labels` say which files belong together (`pairing.Pairing`). Labels are
class ids, a palette (its indices are ids), or the colours of the class table. `labelmap` gives other colours, as a file
or as `{name: [red, green, blue]}`, `label_classes` another class table that the files have; `mapping`, `others`,
`encoding` and `reduce_zero_label` say what becomes of them (`label_files.LabelRules`). `made_from` names the
annotations that the label files were drawn from.

`teacher` is a folder of a network's predictions, of `icnet dataset pseudo-label`: with `labels`, the training learns
from both; without, the pixels of which the teacher is sure are the labels. `outliers: true` instead of labels says
that the images show nothing of the classes: the network learns to be unsure there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.dataset.base import Dataset, DatasetError, LabelReader, Pair
from icnet_ros.dataset.label_files import ENCODINGS, IGNORE, StoredClass, label_reader, of_table
from icnet_ros.dataset.labelmap import as_labelmap, read_labelmap
from icnet_ros.dataset.made_from import check_made_from
from icnet_ros.dataset.outliers import unlabelled
from icnet_ros.dataset.pairing import Pairing
from icnet_ros.dataset.pseudo_labels import read_labels
from icnet_ros.documents import DocumentError, read_yaml

MAX_REPEAT = 1000
KEYS = ("name", "classes", "licence", "splits")
TEXTS = ("images", "labels", "teacher", "name", "pattern", "list", "label_suffix", "label_classes")
CHOICES = {"missing_labels": ("error", "skip"), "others": ("", IGNORE), "encoding": ENCODINGS}
# What describes label files.
LABEL_KEYS = (
    "labelmap", "label_classes", "mapping", "others", "encoding", "reduce_zero_label", "label_suffix", "label_pattern",
    "made_from",
)  # fmt: skip
SOURCE_KEYS = tuple(dict.fromkeys((*TEXTS, "outliers", *CHOICES, "repeat", "part", *LABEL_KEYS)))


def load_descriptor(file: Path, split: str, root: Path | None = None) -> Dataset:
    """A split of the dataset that `file` describes; paths are relative to `root`, default the folder of the file.

    Raises DatasetError.
    """
    values = read_descriptor(file)
    splits = values["splits"]
    if not isinstance(splits, dict) or not all(isinstance(entries, list) for entries in splits.values()):
        raise DatasetError(f"{file}: splits is not a list of sources for each split")
    if split not in splits:
        raise DatasetError(f"{file}: no split {split!r}; it has {', '.join(map(str, splits)) or 'none'}")
    folder = root or file.parent
    name = str(values.get("name") or file.stem)
    classes = _classes(values["classes"], file)
    pairs: list[Pair] = []
    notes: list[str] = []
    for number, entry in enumerate(splits[split], 1):
        found, left_out = _source(entry, folder, classes, f"{file}: source {number} of {split}")
        pairs += found
        notes += left_out
    if not pairs:
        what = "no image: its part of the images is empty" if splits[split] else "no source"
        raise DatasetError(f"{file}: split {split} has {what}")
    return Dataset(name, split, classes, pairs, str(values.get("licence", "")), tuple(dict.fromkeys(notes)))


def read_descriptor(file: Path) -> Mapping[str, Any]:
    """Content of a dataset.yaml, with the keys that it needs. Raises DatasetError."""
    try:
        content = read_yaml(file)
    except OSError as err:
        raise DatasetError(f"{file}: {(err.strerror or str(err)).lower()}") from err
    except DocumentError as err:
        raise DatasetError(str(err)) from err
    if is_yolo(content):
        renamed = "give it another name, such as data.yaml, and take" if file.name == "dataset.yaml" else "take"
        raise DatasetError(f"{file}: a YAML file of YOLO: {renamed} its folder, `icnet dataset check {file.parent}`")
    return _checked(content, KEYS, ("classes", "splits"), f"{file}")


def is_yolo(content: Any) -> bool:
    """Whether the content of a YAML file is that of YOLO's, which may have our name."""
    return isinstance(content, dict) and "names" in content and "splits" not in content


def _source(entry: Any, folder: Path, classes: ClassTable, where: str) -> tuple[list[Pair], list[str]]:
    values = _checked(entry, SOURCE_KEYS, ("images",), where)
    repeat = values.get("repeat", 1)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MAX_REPEAT:
        raise DatasetError(f"{where}: repeat is {repeat!r}, it must be an integer >= 1, at most {MAX_REPEAT}")
    for key in TEXTS:
        if not isinstance(values.get(key, ""), str):
            raise DatasetError(f"{where}: {key} is {values[key]!r}, it must be a string")
    for key, known in CHOICES.items():
        if values.get(key, known[0]) not in known:
            raise DatasetError(f"{where}: {key} is {values[key]!r}, it takes {' or '.join(filter(None, known))}")
    _check_annotated(values, where)
    if "made_from" in values:
        check_made_from(values["made_from"], folder, where)
    pairing = Pairing(
        folder / values["images"],
        folder / values["labels"] if "labels" in values else None,
        folder / values["teacher"] if "teacher" in values else None,
        pattern=values.get("pattern", "*"),
        label_suffix=values.get("label_suffix", ""),
        label_pattern=_replacements(values, where),
        names=folder / values["list"] if "list" in values else None,
        part=_part(values, where),
        skip_missing=values.get("missing_labels") == "skip",
    )
    read, unknown = _reader(values, folder, classes, where)
    found, notes = pairing.find()
    notes += unknown
    name = values.get("name", values.get("labels", values.get("teacher", "outliers")))
    outlier = values.get("outliers", False)
    pairs = [Pair(image, label, read, name, teacher, outlier) for image, label, teacher in found]
    return [pair for pair in pairs for _ in range(repeat)], notes


def _check_annotated(values: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError unless a source has labels, a teacher or both, or is one of outliers, and no more."""
    outliers = values.get("outliers", False)
    if not isinstance(outliers, bool):
        raise DatasetError(f"{where}: outliers is {outliers!r}, it must be true or false")
    annotated = "labels" in values or "teacher" in values
    if not annotated and not outliers:
        raise DatasetError(f"{where}: labels is missing; a source has labels, teacher or both, or outliers: true")
    if annotated and outliers:
        raise DatasetError(f"{where}: outliers: true excludes labels and teacher")
    excluded = (*LABEL_KEYS, "missing_labels") if outliers else () if "labels" in values else LABEL_KEYS
    if given := [key for key in excluded if key in values]:
        raise DatasetError(f"{where}: {given[0]} describes label files, and there are no labels")


def _replacements(values: Mapping[str, Any], where: str) -> Mapping[str, str]:
    pattern = values.get("label_pattern", {})
    if not isinstance(pattern, dict) or not all(isinstance(text, str) and text for text in pattern):
        raise DatasetError(f"{where}: label_pattern is {pattern!r}, it takes texts such as {{_image: _label}}")
    return {old: str(new or "") for old, new in pattern.items()}


def _part(values: Mapping[str, Any], where: str) -> tuple[float, float]:
    part = values.get("part", [0, 1])
    numbers = isinstance(part, list) and len(part) == 2 and all(type(value) in (int, float) for value in part)
    if not numbers or not 0 <= part[0] < part[1] <= 1:
        raise DatasetError(f"{where}: part is {part!r}, it takes two shares of the images, such as [0, 0.8]")
    return part[0], part[1]


def _reader(values: Mapping[str, Any], folder: Path, classes: ClassTable, where: str) -> tuple[LabelReader, list[str]]:
    """The reader of the label files or of what stands in for them, and notes on what a labelmap does not have."""
    if "labels" not in values:
        ignore = classes.ignore
        return read_labels(len(classes), ignore) if "teacher" in values else unlabelled(ignore), []
    stored = _stored(values, folder, classes, where)
    mapping, zero = values.get("mapping", {}), values.get("reduce_zero_label", False)
    if not isinstance(mapping, dict):
        raise DatasetError(f"{where}: mapping is {mapping!r}, it must be a mapping of names or ids to classes")
    if not isinstance(zero, bool):
        raise DatasetError(f"{where}: reduce_zero_label is {zero!r}, it takes true or false")
    if "labelmap" in values and "label_classes" in values:
        raise DatasetError(f"{where}: labelmap and label_classes exclude each other")
    notes = []
    if "labelmap" in values:  # tools write it anew, without labels that the task no longer has
        names = {one.name for one in stored}
        notes = [f"{where}: mapping has {name}, the labelmap does not" for name in mapping if name not in names]
        mapping = {name: target for name, target in mapping.items() if name in names}
    others, encoding = values.get("others", ""), values.get("encoding", "auto")
    read = label_reader(stored, classes, mapping, where, others=others, encoding=encoding, reduce_zero_label=zero)
    return read, notes


def _stored(values: Mapping[str, Any], folder: Path, classes: ClassTable, where: str) -> list[StoredClass]:
    if "labelmap" in values:
        labelmap = values["labelmap"]
        return as_labelmap(labelmap, where) if isinstance(labelmap, dict) else read_labelmap(folder / str(labelmap))
    return of_table(_classes(values["label_classes"], folder / "x") if "label_classes" in values else classes)


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
