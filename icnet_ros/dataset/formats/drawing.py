"""Label files that are drawn from regions: polygons, run lengths, bitmaps."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

from icnet_ros.checkpoint.classes import UNLABELLED, Colour
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Request,
    Values,
    class_table,
    fold_background,
    pictures,
    split_of,
    with_validation,
)
from icnet_ros.dataset.formats.raster import Mask
from icnet_ros.dataset.label_files import IGNORE
from icnet_ros.dataset.made_from import made_from
from icnet_ros.files import open_regular
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import write_picture


class Region(NamedTuple):
    """A labelled region; what comes later covers what came before. mask: gives bool (height, width)."""

    name: str
    mask: Callable[[], Mask]


@dataclass(frozen=True)
class Annotated:
    """An image, its size and its regions. source: the file of its annotations. split: "" if the export has one only."""

    image: Path
    height: int
    width: int
    regions: Sequence[Region]
    source: Path
    split: str = ""


class Images:
    """Image files of an export by the names that its annotations give them."""

    def __init__(self, folder: Path, without: Path) -> None:
        """without: folder whose pictures are none."""
        self._folder = folder
        self._files = [path for path in pictures(folder, "**/*") if not path.is_relative_to(without)]
        self._by_path = {path.relative_to(folder).as_posix(): path for path in self._files}
        self._by_name: dict[str, list[Path]] = {}
        for path in self._files:
            self._by_name.setdefault(path.name, []).append(path)

    def by_stem(self) -> dict[str, Path]:
        """Files by their names without suffix."""
        return {path.stem: path for path in self._files}

    def find(self, name: str, near: Path | None = None, split: str = "") -> Path | None:
        """The file with this path or name, in folder `near` or one of `split` if there are several; None for none.

        Raises DatasetError if it could be several.
        """
        clean = name.replace("\\", "/").lstrip("/")
        if clean in self._by_path:
            return self._by_path[clean]
        if near is not None and (beside := Path(os.path.normpath(near / clean))).is_file():
            return beside
        files = self._by_name.get(clean.rpartition("/")[2], [])
        ending = [path for path in files if path.as_posix().endswith("/" + clean)]
        found = ending or files
        if len(found) > 1 and split:
            found = [
                path for path in found if split in map(split_of, path.relative_to(self._folder).parts[:-1])
            ] or found
        if len(found) > 1:
            raise DatasetError(f"{self._folder}: {name} could be {found[0]} or {found[1]}")
        return next(iter(found), None)


def draw(
    annotated: Sequence[Annotated],
    names: Sequence[str],
    request: Request,
    made: str | list[str],
    colours: Mapping[str, Colour] | None = None,
) -> Description:
    """Draw the label files of annotated images, and describe them.

    names: of the classes, in order. made: patterns of the annotation files. colours: RGB by name. Raises
    DatasetError.
    """
    if not annotated:
        raise DatasetError(
            f"{request.folder}: none of the annotated images is there: export them, too, or copy them there"
        )
    folded = fold_background(names, request)
    ids = {name: folded.names.index(name) for name in folded.names} | {IGNORE: UNLABELLED}
    ids |= {name: ids[target] for name, target in folded.mapping.items()}
    for number, (target, one) in enumerate(_targets(annotated, request).items(), 1):
        _draw(one, ids, ids[folded.rest], target)
        request.progress(number, len(annotated))
    return Description(class_table(folded.names, colours), _splits(annotated, request, made), notes=folded.notes)


def _targets(annotated: Sequence[Annotated], request: Request) -> dict[Path, Annotated]:
    """The label file of each image. Raises DatasetError if one would be drawn twice."""
    top = _top(annotated, request)
    targets: dict[Path, Annotated] = {}
    for one in annotated:
        target = request.drawn / one.split / one.image.relative_to(top).with_suffix(".png")
        if (other := targets.setdefault(target, one)).image != one.image:
            raise DatasetError(f"{one.image} and {other.image} would have one label file: rename one of them")
        if other is not one:
            where = " and ".join(dict.fromkeys(f"{path}" for path in (other.source, one.source)))
            raise DatasetError(f"{one.image}: annotated twice, in {where}: leave one of the two there")
    return targets


def _draw(one: Annotated, ids: Values, rest: int, target: Path) -> None:
    labels = np.full((one.height, one.width), rest, np.uint8)
    for region in one.regions:
        try:
            mask = region.mask()
        except DatasetError as err:
            raise DatasetError(f"{one.image}: region {region.name}: {err}") from err
        if mask.shape != labels.shape:
            raise DatasetError(f"{one.image}: a region of {mask.shape} in an image of {labels.shape}")
        labels[mask] = ids[region.name]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_picture(target, labels)


def _splits(annotated: Sequence[Annotated], request: Request, made: str | list[str]) -> dict[str, list[Values]]:
    """The source of each split: the folder that all its images are below, that of their label files, their names."""
    digest, top = made_from(request.folder, made), _top(annotated, request)

    def source(split: str) -> Values:
        images = [one.image for one in annotated if one.split == split]
        below = Path(os.path.commonpath([image.parent for image in images]))
        names = request.drawn / f"{split or 'images'}.txt"
        names.write_text("".join(f"{image.relative_to(below).as_posix()}\n" for image in images))
        return {
            "images": _from(below, request),
            "labels": _from(request.drawn / split / below.relative_to(top), request),
            "list": _from(names, request),
            **({} if all(image.parent == below for image in images) else {"pattern": "**/*"}),
            "made_from": digest,
        }

    return with_validation({split: [source(split)] for split in sorted({one.split for one in annotated})})


def _top(annotated: Sequence[Annotated], request: Request) -> Path:
    """The folder that all images are below: that of the export, unless its annotations name others elsewhere."""
    return Path(os.path.commonpath([request.folder, *(one.image.parent for one in annotated)]))


def _from(path: Path, request: Request) -> str:
    return Path(os.path.relpath(path, request.folder)).as_posix()


def picture_shape(path: Path) -> tuple[int, int]:
    """Height and width of a picture file as it is shown, from its header. Raises DatasetError."""
    try:
        with open_regular(path) as file, Image.open(file) as picture:
            sideways = picture.getexif().get(ExifTags.Base.Orientation, 1) > 4
            return picture.size if sideways else picture.size[::-1]
    except (OSError, ValueError, SyntaxError, WireError, Image.DecompressionBombError) as err:
        raise DatasetError(f"{path}: not a readable picture ({err})") from err


def names_of(annotated: Sequence[Annotated], first: Sequence[str] = ()) -> list[str]:
    """Names of the classes: `first`, then those of regions, in order of the alphabet."""
    used = {region.name for one in annotated for region in one.regions}
    return [*first, *sorted(used - set(first))]


def each(values: Any, key: str, where: str) -> Iterator[Any]:
    """The entries of a list in JSON. Raises DatasetError if there is none."""
    found = values.get(key) if isinstance(values, dict) else None
    if not isinstance(found, list):
        raise DatasetError(f"{where}: no list {key!r}")
    yield from found
