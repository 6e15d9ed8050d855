"""Label PNGs of other programs: class ids, palettes or colours, with class names of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from icnet_ros.checkpoint.classes import ClassTable, Colour
from icnet_ros.dataset.base import DatasetError, LabelReader, UInt8
from icnet_ros.wire.picture_file import check_grey_depth

IGNORE = "ignore"  # a target of mappings: pixels that count nowhere
UNKNOWN = -1


@dataclass(frozen=True)
class StoredClass:
    """A class as label files have it: its id or its colour, or both, and its name."""

    name: str
    id: int | None
    colour: Colour | None


def of_table(table: ClassTable) -> list[StoredClass]:
    """The classes of a class table, by id and colour."""
    pairs = zip(table.names, table.colours, strict=True)
    return [StoredClass(name, index, colour) for index, (name, colour) in enumerate(pairs)]


def read_labelmap(path: Path) -> list[StoredClass]:
    """Classes of a labelmap.txt as CVAT and VOC tools write it, by colour: lines `name:red,green,blue:parts:actions`.

    Raises DatasetError.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise DatasetError(f"{path}: {err}") from err
    found: list[StoredClass] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        try:
            red, green, blue = (int(value) for value in rest.split(":")[0].split(","))
            if not all(0 <= value <= 255 for value in (red, green, blue)):
                raise ValueError
        except ValueError:
            raise DatasetError(f"{path}: line {number} is {line!r}, not of the form name:red,green,blue::") from None
        found.append(StoredClass(name.strip(), None, (red, green, blue)))
    if not found:
        raise DatasetError(f"{path}: no class in this file")
    return found


def label_reader(stored: list[StoredClass], target: ClassTable, mapping: Mapping[Any, Any], where: str) -> LabelReader:
    """Reader of label PNGs: grey and palette images hold ids, others colours. If no class has an id, all hold colours.

    stored: the classes of the files. mapping: name or id in the files -> name in `target`, or "ignore"; names that both
    have need no entry. where: for errors. Raises DatasetError, the reader too: it names file, pixel, id or colour.
    """
    ids: npt.NDArray[np.int16] = np.full(256, UNKNOWN, np.int16)
    ids[target.ignore] = target.ignore
    colours: dict[int, int] = {}
    known: set[Any] = {one.name for one in stored} | {one.id for one in stored}
    if unknown := [key for key in mapping if key not in known and not _is_id(key)]:
        raise DatasetError(f"{where}: mapping has {unknown[0]!r}, which is no class of the label files")
    for one in stored:
        name = mapping.get(one.name, one.name if one.id is None else mapping.get(one.id, one.name))
        index = _target(name, target, one.name, where)
        if one.id is not None:
            ids[one.id] = index
        if one.colour is not None and colours.setdefault(_packed(*one.colour), index) != index:
            raise DatasetError(f"{where}: {one.name} has the colour {one.colour} of another class")
    for key, name in mapping.items():
        if _is_id(key):
            ids[key] = _target(name, target, str(key), where)
    by_colour = all(one.id is None for one in stored)

    def read(path: Path) -> UInt8:
        image = _open(path)
        if image.mode in ("L", "P") and not by_colour:
            _check_palette(image, ids, colours, path)
            return _by_id(np.asarray(image), ids, len(stored), path)
        if image.mode in ("L", "P", "RGB", "RGBA"):
            return _by_colour(np.asarray(image.convert("RGB")), colours, path)
        raise DatasetError(f"{path}: a PNG of mode {image.mode}; label images are 8-bit ids, a palette or colours")

    return read


def _is_id(key: Any) -> bool:
    return isinstance(key, int) and not isinstance(key, bool) and 0 <= key <= 255


def _target(name: Any, target: ClassTable, stored: str, where: str) -> int:
    if name == IGNORE:
        return target.ignore
    if name not in target.names:
        raise DatasetError(
            f"{where}: class {stored!r} of the label files is {name!r}, which is none of {', '.join(target.names)}; "
            f"add it to mapping, e.g. {stored}: {IGNORE}"
        )
    return target.names.index(name)


def _open(path: Path) -> Image.Image:
    try:
        check_grey_depth(path.read_bytes())
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise DatasetError(f"{path}: not a readable label image ({err})") from err


def _check_palette(image: Image.Image, ids: npt.NDArray[np.int16], colours: Mapping[int, int], path: Path) -> None:
    """Raise DatasetError if a palette has the colours of the classes, but in another order than their ids."""
    if image.mode != "P":
        return
    palette = np.array(image.getpalette("RGB"), np.int32).reshape(-1, 3)
    used = [int(index) for index in np.unique(np.asarray(image)) if index < len(palette)]
    meant = {index: colours.get(int(_packed(*palette[index]))) for index in used}
    if None not in meant.values() and any(ids[index] != UNKNOWN and ids[index] != meant[index] for index in used):
        raise DatasetError(
            f"{path}: its palette has the colours of the classes, but in another order than their ids; store class ids "
            "as grey values, or colours as RGB"
        )


def _by_id(stored: UInt8, table: npt.NDArray[np.int16], classes: int, path: Path) -> UInt8:
    mapped = table[stored]
    if (unknown := mapped == UNKNOWN).any():
        row, column = np.argwhere(unknown)[0]
        wrong = f"id {stored[row, column]} is none of the {classes} classes of the label files"
        raise DatasetError(f"{path}: {wrong}, at pixel ({column}, {row})")
    return mapped.astype(np.uint8)


def _by_colour(pixels: UInt8, colours: Mapping[int, int], path: Path) -> UInt8:
    packed = _packed(*np.moveaxis(pixels.astype(np.int32), -1, 0))
    found, places = np.unique(packed, return_inverse=True)
    table = np.array([colours.get(int(value), UNKNOWN) for value in found], np.int16)
    mapped = table[places].reshape(packed.shape)
    if (unknown := mapped == UNKNOWN).any():
        row, column = np.argwhere(unknown)[0]
        colour = ",".join(map(str, pixels[row, column]))
        wrong = f"colour {colour} is none of the {len(colours)} colours of the label files"
        raise DatasetError(f"{path}: {wrong}, at pixel ({column}, {row})")
    return mapped.astype(np.uint8)


def _packed(red: Any, green: Any, blue: Any) -> Any:
    return red << 16 | green << 8 | blue
