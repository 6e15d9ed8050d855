"""Colours and names of the classes in label files, as CVAT and VOC tools write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import Colour
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.label_files import StoredClass
from icnet_ros.files import read_text


def read_labelmap(path: Path) -> list[StoredClass]:
    """Classes of a labelmap.txt, by colour: lines `name:red,green,blue:parts:actions`.

    Without colours (datumaro: `name:::`) they are those of VOC's palette, in order. Raises DatasetError.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise DatasetError(f"{path}: {err}") from err
    found: list[StoredClass] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        try:
            text = rest.split(":")[0].strip()
            if not text and rest.count(":") < 2:
                raise ValueError
            colour = [int(value) for value in text.split(",")] if text else list(voc_colour(len(found)))
            found += as_labelmap({name.strip(): colour}, "")
        except (ValueError, DatasetError):
            raise DatasetError(f"{path}: line {number} is {line!r}, not of the form name:red,green,blue::") from None
    if not found:
        raise DatasetError(f"{path}: no class in this file")
    return found


def voc_colour(index: int) -> Colour:
    """RGB of an index of Pascal VOC's palette: its bits, spread over the high bits of the channels."""
    red, green, blue = (sum((index >> (3 * k + channel) & 1) << (7 - k) for k in range(3)) for channel in range(3))
    return red, green, blue


def as_labelmap(values: Mapping[Any, Any], where: str) -> list[StoredClass]:
    """Classes of `{name: [red, green, blue]}`, by colour. Raises DatasetError."""
    for name, colour in values.items():
        if (
            not isinstance(colour, list)
            or len(colour) != 3
            or not all(type(v) is int and 0 <= v <= 255 for v in colour)
        ):
            raise DatasetError(f"{where}: the colour of {name} is {colour!r}, it takes [red, green, blue] of 0..255")
    return [StoredClass(str(name), None, (c[0], c[1], c[2])) for name, c in values.items()]
