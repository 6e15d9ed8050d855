"""What all formats share: the request, the description that comes back, class tables, files."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from icnet_ros.checkpoint.classes import Colour, load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.label_files import IGNORE
from icnet_ros.dataset.labelmap import voc_colour
from icnet_ros.documents import DocumentError, parse_json
from icnet_ros.files import matching, read_text
from icnet_ros.wire.pictures.picture_file import PICTURES

VAL_SHARE = 0.2  # of the images, where an export has one split only
# What tools call pixels that nobody labelled, in lower case.
UNLABELLED = (
    "background", "_background_", "__bg__", "bg", "neutral", "unlabeled", "unlabelled", "void", "ignore", "__ignore__",
    "undefined",
)  # fmt: skip
SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
Values = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What is converted.

    folder: the export. drawn: folder for label files that are drawn from polygons and the like. background: name of the
    class that pixels without a label get; "" lets them count nowhere, unless fewer than two classes would be left.
    classes: a class table (name or file) for exports that name no classes. progress: called with (done, total).
    """

    folder: Path
    drawn: Path
    background: str = ""
    classes: str = ""
    progress: Callable[[int, int], None] = lambda *_: None


@dataclass
class Description:
    """Content of a dataset.yaml with paths relative to the folder of the export, and sentences for its user."""

    classes: Values | str
    splits: Mapping[str, Sequence[Values]]
    licence: str = ""
    notes: list[str] = field(default_factory=list)


class Format(NamedTuple):
    """A format. name: for `--format`. title: what it is, as the tool calls it."""

    name: str
    title: str
    recognise: Callable[[Path], bool]
    describe: Callable[[Request], Description]


def with_validation(splits: Mapping[str, Sequence[Values]]) -> dict[str, list[Values]]:
    """Splits as they are; where there is no "val", the last images of each source of "train" (or "") are for it.

    In order of their names: neighbours in a drive have neighbouring names, so they stay on one side.
    """
    named = {split: list(entries) for split, entries in splits.items() if split not in ("", "train")}
    train = [*splits.get("train", ()), *splits.get("", ())]
    if "val" in named or not train:
        return {"train": train, **named} if train else named
    share = 1 - VAL_SHARE
    parts = [[{**entry, "part": part} for entry in train] for part in ([0, share], [share, 1])]
    return {"train": parts[0], "val": parts[1], **named}


def split_of(name: str) -> str:
    """The split that a file or folder name stands for, "" for none."""
    words = re.split("[^a-z]+", name.lower())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), "")


def class_table(names: Sequence[str], colours: Mapping[str, Colour] | None = None) -> Values:
    """A class table with these names; what has no colour, or that of another class, gets one."""
    given, taken = colours or {}, set[Colour]()
    spare = (voc_colour(index) for index in range(1, 256))
    entries = []
    for name in dict.fromkeys(names):
        colour = given.get(name)
        if colour is None or colour in taken or colour == (0, 0, 0):
            reserved = taken | set(given.values())
            colour = next(one for one in spare if one not in reserved)
        taken.add(colour)
        entries.append({"name": name, "colour": list(colour)})
    if not 2 <= len(entries) <= 255:
        raise DatasetError(f"the export has {len(entries)} classes ({', '.join(names)[:80]}), a dataset has 2 to 255")
    return {"classes": entries}


class Folded(NamedTuple):
    """Classes of a dataset. mapping: names in the files that are no class of it. rest: what unlabelled pixels are."""

    names: list[str]
    mapping: dict[str, str]
    rest: str
    notes: list[str]


def fold_background(names: Sequence[str], request: Request) -> Folded:
    """What becomes of the classes in the files: names of UNLABELLED count nowhere, but see `Request.background`."""
    void = [name for name in names if name.strip().lower() in UNLABELLED]
    named = [name for name in names if name not in void]
    rest = request.background or ("background" if len(named) < 2 else "")
    if rest:
        classes = named if rest in named else [rest, *named]
        others = {name: rest for name in void if name != rest}
        return Folded(classes, others, rest, [f"pixels without a label are the class {rest}"])
    note = "pixels without a label count nowhere; --background NAME makes them a class of their own"
    return Folded(named, dict.fromkeys(void, IGNORE), IGNORE, [note])


def id_mapping(classes: Sequence[tuple[int, str]], request: Request) -> tuple[Folded, dict[int, str]]:
    """What becomes of the classes in the files, and the entry `mapping` for their ids."""
    folded = fold_background([name for _, name in classes], request)
    return folded, {index: folded.mapping.get(name, name) for index, name in classes}


def shipped_classes(request: Request, what: str) -> tuple[Values | str, list[str]]:
    """The class table that was given, as it goes into dataset.yaml, and its names. Raises DatasetError without one."""
    if not request.classes:
        raise DatasetError(
            f"{request.folder}: {what} names no classes: give --classes, a shipped table or a .yaml file"
        )
    table = load_classes(request.classes)
    is_file = request.classes.endswith((".yaml", ".yml"))
    return (table.to_dict() if is_file else request.classes), list(table.names)


def read_json(path: Path) -> Any:
    """Content of a JSON file; not to be changed, as it may be given again. Raises DatasetError."""
    try:
        found = path.stat()
        return _parsed(path, found.st_mtime_ns, found.st_size)
    except (OSError, UnicodeDecodeError, DocumentError) as err:
        raise DatasetError(f"{path}: not readable as JSON ({err})") from err


@lru_cache(maxsize=64)  # several formats look into the same files
def _parsed(path: Path, *_state: int) -> Any:
    return parse_json(read_text(path), path.name, finite=False)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by lower-case column name, without spaces around. Raises DatasetError."""
    try:
        rows = list(csv.reader(read_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DatasetError(f"{path}: not readable as CSV ({err})") from err
    header = [name.strip().lower() for name in rows[0]] if rows else []
    return [dict(zip(header, (value.strip() for value in row), strict=False)) for row in rows[1:] if row]


def hex_colour(text: str) -> Colour:
    """RGB of "#ff8000". Raises DatasetError."""
    digits = text.strip().lstrip("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError as err:
        raise DatasetError(f"{text!r} is no colour such as #ff8000") from err
    return red, green, blue


def files(folder: Path, *patterns: str) -> list[Path]:
    """Files below a folder, by name, but hidden ones, such as macOS puts into archives."""
    found = {path for pattern in patterns for path in matching(folder, pattern)}
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def has(folder: Path, *patterns: str) -> bool:
    """Whether the folder has a file for each of these patterns."""
    return all(next(folder.glob(pattern), None) is not None for pattern in patterns)


def pictures(folder: Path, pattern: str = "*") -> list[Path]:
    """Picture files in a folder, by name."""
    return [path for path in files(folder, pattern) if path.suffix.lower() in PICTURES]
