"""Label files of other programs: class ids, palettes or colours, with class names of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable, Colour
from icnet_ros.dataset.base import DatasetError, LabelReader, UInt8, read_label_file
from icnet_ros.wire.pictures.stored_picture import StoredPicture

IGNORE = "ignore"  # a target of mappings: pixels that count nowhere
UNKNOWN = -1
ENCODINGS = ("auto", "ids", "grey", "colours", "red")
ZERO_HINT = "if these files have 0 where nothing is labelled and ids from 1 (as ADE20K), add `reduce_zero_label: true`"


@dataclass(frozen=True)
class StoredClass:
    """A class as label files have it: its id or its colour, or both, and its name."""

    name: str
    id: int | None
    colour: Colour | None


@dataclass(frozen=True)
class LabelRules:
    """How the values of label files become classes.

    mapping: name or id in the files -> class, or "ignore". Names that both have need no entry. If it has an id, it must
    have all ids that occur, by number or by name. others: "ignore" lets what is not listed count nowhere, "" makes it
    an error. encoding: "auto" takes grey and palette pictures for ids and others for colours; "ids" (also in each
    channel or in 16 bits), "grey" (so, and as the grey levels of a palette), "colours", "red" (ids in the red channel,
    also of a palette's colours). reduce_zero_label: 0 counts nowhere, and id 1 is the first
    class.
    """

    mapping: Mapping[Any, Any] = field(default_factory=dict)
    others: str = ""
    encoding: str = "auto"
    reduce_zero_label: bool = False


def of_table(table: ClassTable) -> list[StoredClass]:
    """The classes of a class table, by id and colour."""
    pairs = zip(table.names, table.colours, strict=True)
    return [StoredClass(name, index, colour) for index, (name, colour) in enumerate(pairs)]


def label_reader(
    stored: Sequence[StoredClass],
    target: ClassTable,
    mapping: Mapping[Any, Any],
    where: str,
    *,
    others: str = "",
    encoding: str = "auto",
    reduce_zero_label: bool = False,
) -> LabelReader:
    """Reader of label files. If no class has an id, all hold colours.

    stored: the classes of the files. mapping, others, encoding, reduce_zero_label: see `LabelRules`. where: for errors.
    Raises DatasetError, the reader too: it names file, pixel, id or colour.
    """
    rules = LabelRules(mapping, others, encoding, reduce_zero_label)
    ids = id_table(stored, target, rules, where)
    colours = _colour_table(stored, target, rules, where)
    by_colour = all(one.id is None for one in stored) or rules.encoding == "colours"

    seen: dict[int, tuple[bytes, Path]] = {}  # colours of indices in the files that were read

    def unknown(pixels: UInt8, value: int) -> str:
        return _unknown_id(pixels, value, len(stored), rules)

    def read(path: Path) -> UInt8:
        picture = read_label_file(path)
        if by_colour or (rules.encoding == "auto" and picture.values.ndim == 3):
            return colours.labels(_as_colours(picture, path), path)
        if rules.encoding == "auto" and picture.palette is not None:
            _check_colours(picture, ids, colours, path)
            _check_same(picture, seen, path)
        if rules.encoding in ("auto", "ids") and (found := misplaced_grey(picture, ids)):
            raise DatasetError(
                f"{path}: its palette is grey, in another order than its indices: {found}. PNG optimisers do that: add "
                "`encoding: grey` if the grey levels are the ids; if the indices are, give the grey of each class, "
                "`labelmap: {NAME: [1, 1, 1], ...}`"
            )
        return _by_id(_as_ids(picture, rules.encoding, path), ids, unknown, path)

    return read


def id_table(stored: Sequence[StoredClass], target: ClassTable, rules: LabelRules, where: str) -> npt.NDArray[np.int16]:
    """Table (256,) from ids in files to class ids, UNKNOWN where an id may not occur. Raises DatasetError."""
    mapping = rules.mapping
    known: set[Any] = {one.name for one in stored} | {one.id for one in stored}
    if unknown := [key for key in mapping if key not in known and not _is_id(key)]:
        raise DatasetError(f"{where}: mapping has {unknown[0]!r}, which is no class of the label files")
    numbered = any(map(_is_id, mapping))
    if numbered and rules.reduce_zero_label:
        raise DatasetError(f"{where}: with ids in mapping, say there what 0 is and leave out reduce_zero_label")
    ids: npt.NDArray[np.int16] = np.full(256, target.ignore if rules.others else UNKNOWN, np.int16)
    ids[target.ignore] = target.ignore
    for one in stored:
        if one.id is not None and (not numbered or one.name in mapping):
            ids[one.id] = _target(one, target, rules, where)
    for key, name in mapping.items():
        if _is_id(key):
            ids[key] = _index(name, target, str(key), where)
    if rules.reduce_zero_label:
        ids = np.concatenate([np.array([target.ignore], np.int16), ids[:-1]])
        ids[255] = target.ignore
    return ids


class _Colours:
    """Colours of classes, for one look-up a picture."""

    def __init__(self, classes: Mapping[int, int]) -> None:
        """classes: colour as 24 bits -> class id."""
        self._known = np.array(sorted(classes), np.int32)
        self._ids = np.array([classes[int(colour)] for colour in self._known], np.int16)

    def find(self, packed: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
        """Class ids of colours, UNKNOWN for those that no class has."""
        if not self._known.size:
            return np.full(packed.shape, UNKNOWN, np.int16)
        places = np.searchsorted(self._known, packed).clip(max=len(self._known) - 1)
        return np.where(self._known[places] == packed, self._ids[places], np.int16(UNKNOWN))

    def labels(self, pixels: UInt8, path: Path) -> UInt8:
        """Class ids of RGB pixels (H, W, 3). Raises DatasetError."""
        mapped = self.find(_packed(pixels))
        if (unknown := mapped == UNKNOWN).any():
            row, column = np.argwhere(unknown)[0]
            colour = ",".join(map(str, pixels[row, column]))
            wrong = f"colour {colour} is none of the {len(self._known)} colours of the label files"
            hint = (
                "; all its channels are equal: if it holds class ids, add `encoding: ids`" if _is_grey(pixels) else ""
            )
            raise DatasetError(f"{path}: {wrong}, at pixel ({column}, {row}){hint}")
        return mapped.astype(np.uint8)


def _colour_table(stored: Sequence[StoredClass], target: ClassTable, rules: LabelRules, where: str) -> _Colours:
    colours: dict[int, int] = {}
    for one in stored:
        numbered = one.id is not None and any(map(_is_id, rules.mapping))
        if one.colour is None or (numbered and one.name not in rules.mapping and one.id not in rules.mapping):
            continue
        index = _target(one, target, rules, where)
        if colours.setdefault(int(_packed(np.array(one.colour))), index) != index:
            raise DatasetError(f"{where}: {one.name} has the colour {one.colour} of another class")
    return _Colours(colours)


def _target(one: StoredClass, target: ClassTable, rules: LabelRules, where: str) -> int:
    """Class id of a class of the files."""
    name = rules.mapping.get(one.name, one.name if one.id is None else rules.mapping.get(one.id, one.name))
    if rules.others and name not in target.names and one.name not in rules.mapping and one.id not in rules.mapping:
        return target.ignore
    return _index(name, target, one.name, where)


def _is_id(key: Any) -> bool:
    return isinstance(key, int) and not isinstance(key, bool) and 0 <= key <= 255


def _index(name: Any, target: ClassTable, stored: str, where: str) -> int:
    if name == IGNORE:
        return target.ignore
    if name not in target.names:
        raise DatasetError(
            f"{where}: class {stored!r} of the label files is {name!r}, which is none of {', '.join(target.names)}; "
            f"say in mapping what it becomes, e.g. {stored}: {IGNORE}"
        )
    return target.names.index(name)


def misplaced_colour(picture: StoredPicture, classes: ClassTable) -> str:
    """The first index of a palette picture with the colour of another class, "" for none."""
    if len(set(classes.colours)) < len(classes):
        return ""
    stored, rules = of_table(classes), LabelRules()
    return _misplaced(picture, id_table(stored, classes, rules, ""), _colour_table(stored, classes, rules, ""))


def misplaced_grey(picture: StoredPicture, ids: npt.NDArray[np.int16]) -> str:
    """The first index of a grey palette whose level is another id, "" if there is none, or if levels can be no ids.

    ids: see `id_table`. PNG optimisers such as oxipng store few grey levels as a palette in an order of their own.
    """
    used, colours = _used(picture)
    levels = colours[:, 0].astype(int)
    if not _is_grey(colours) or len(np.unique(levels)) < len(levels) or (ids[levels] == UNKNOWN).any():
        return ""
    wrong = np.flatnonzero(levels != used)
    shown = [f"grey {level}" if level < 255 else "white, which counts nowhere" for level in levels[wrong[:1]]]
    return f"index {used[wrong[0]]} is {shown[0]}" if shown else ""


def _used(picture: StoredPicture) -> tuple[npt.NDArray[np.intp], UInt8]:
    """Indices that occur in a palette picture, and their colours RGB (n, 3); none for other pictures."""
    palette = np.zeros((0, 3), np.uint8) if picture.palette is None else picture.palette
    used = np.flatnonzero(np.bincount(picture.values.reshape(-1), minlength=256)) if len(palette) else np.zeros(0, int)
    used = used[used < len(palette)]
    return used, palette[used]


def _misplaced(picture: StoredPicture, ids: npt.NDArray[np.int16], colours: _Colours) -> str:
    used, shown = _used(picture)
    meant = colours.find(_packed(shown))
    wrong = np.flatnonzero((meant != UNKNOWN) & (ids[used] != UNKNOWN) & (ids[used] != meant))
    if not wrong.size:
        return ""
    return f"index {used[wrong[0]]} has the colour {','.join(map(str, shown[wrong[0]]))} of another class"


def _check_colours(picture: StoredPicture, ids: npt.NDArray[np.int16], colours: _Colours, path: Path) -> None:
    """Raise DatasetError if an index that occurs has the colour of another class."""
    if found := _misplaced(picture, ids, colours):
        raise DatasetError(
            f"{path}: its palette has the colours of the classes, but in another order than their ids: {found}. Add "
            "`encoding: colours` if the colours are right, `encoding: ids` if the indices are"
        )


def _check_same(picture: StoredPicture, seen: dict[int, tuple[bytes, Path]], path: Path) -> None:
    """Raise DatasetError if an index has another colour than in a file that this process read: it is no id."""
    for index, colour in zip(*_used(picture), strict=True):
        other, before = seen.setdefault(int(index), (colour.tobytes(), path))
        if other != colour.tobytes():
            shown = f"{','.join(map(str, colour))}, in {before} {','.join(map(str, other))}"
            raise DatasetError(
                f"{path}: index {index} of its palette is {shown}: if the colours are the classes, add "
                "`encoding: colours` and give theirs; if the indices are the ids, `encoding: ids`"
            )


def _as_colours(picture: StoredPicture, path: Path) -> UInt8:
    values = picture.values
    if picture.palette is not None:
        if values.size and values.max() >= len(picture.palette):
            raise DatasetError(f"{path}: index {values.max()} is beyond its palette of {len(picture.palette)} colours")
        colours: UInt8 = picture.palette[values]
        return colours
    if values.ndim == 2:
        return np.repeat(_as_ids(picture, "colours", path)[..., None], 3, axis=2)
    return values[..., :3]


def _as_ids(picture: StoredPicture, encoding: str, path: Path) -> UInt8:
    shown = encoding in ("grey", "red") and picture.palette is not None
    values = _as_colours(picture, path) if shown else picture.values
    if values.ndim == 3:
        if encoding != "red" and not _is_grey(values):
            raise DatasetError(
                f"{path}: its channels differ, so it does not hold ids; see `encoding` in docs/training.md"
            )
        return values[..., 0]
    if values.dtype == np.uint8:
        return values
    if encoding not in ("ids", "grey") or values.max(initial=0) > 255:
        kind = "I;16" if values.dtype.itemsize > 1 else "1"
        hint = "; if these are ids, add `encoding: ids`" if encoding == "auto" and values.max(initial=0) <= 255 else ""
        raise DatasetError(f"{path}: a PNG of mode {kind}; label images are 8-bit ids, a palette or colours{hint}")
    return values.astype(np.uint8)


def _by_id(stored: UInt8, table: npt.NDArray[np.int16], unknown: Callable[[UInt8, int], str], path: Path) -> UInt8:
    stored = np.ascontiguousarray(stored)
    if (wrong := cv2.LUT(stored, (table == UNKNOWN).astype(np.uint8))).any():
        row, column = np.argwhere(wrong)[0]
        raise DatasetError(f"{path}: {unknown(stored, int(stored[row, column]))}, at pixel ({column}, {row})")
    labels: UInt8 = np.asarray(cv2.LUT(stored, table.astype(np.uint8)), np.uint8)
    return labels


def _unknown_id(stored: UInt8, value: int, classes: int, rules: LabelRules) -> str:
    """What is wrong with an id, and what to do."""
    if any(map(_is_id, rules.mapping)):
        return f"id {value} is not in mapping, which gives the classes of ids: add it, or `others: {IGNORE}`"
    hint = f" ({ZERO_HINT})" if value == classes and (stored == 0).any() else ""
    return f"id {value} is none of the {classes} classes of the label files{hint}"


def _is_grey(pixels: npt.NDArray[Any]) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _packed(pixels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    wide = pixels.astype(np.int32)
    packed: npt.NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed
