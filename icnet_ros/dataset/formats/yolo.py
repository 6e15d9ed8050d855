"""Ultralytics YOLO: polygons in text files, or masks of ids, with names and folders in a YAML file."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import DatasetError, read_label_file
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    files,
    fold_background,
    pictures,
    split_of,
    with_validation,
)
from icnet_ros.dataset.formats.drawing import Annotated, Region, draw, picture_shape
from icnet_ros.dataset.formats.raster import Mask, polygon
from icnet_ros.documents import read_yaml, yaml_or_none
from icnet_ros.files import read_text

SPLITS = ("train", "val", "test")
CLASSES = "classes.txt"  # Label Studio's export has it instead of a YAML file
DIGITS = 6  # of coordinates, which are shares of the image; some writers have fewer
IGNORED = 255


class Config(NamedTuple):
    """names: by id. splits: images of each. rest: other entries of the YAML file. notes: for the user."""

    path: Path
    names: dict[int, str]
    splits: dict[str, list[Path]]
    rest: Mapping[str, Any]
    notes: list[str]


def _yaml(folder: Path) -> Path | None:
    """The YAML file that names classes and folders of images."""
    for path in files(folder, "*.yaml", "*.yml"):
        content = yaml_or_none(path)
        if isinstance(content, dict) and "names" in content and any(key in content for key in ("nc", *SPLITS)):
            return path
    return None


def _recognise(folder: Path) -> bool:
    listed = (folder / CLASSES).is_file() and (folder / "images").is_dir() and (folder / "labels").is_dir()
    return listed or _yaml(folder) is not None


def _config(folder: Path) -> Config:
    """Raises DatasetError."""
    path = _yaml(folder)
    if path is None:
        lines = read_text(folder / CLASSES).splitlines()
        names = {number: line.strip() for number, line in enumerate(lines) if line.strip()}
        return Config(folder / CLASSES, names, _found(folder), {}, [])
    content = read_yaml(path)
    given = content["names"]
    try:
        pairs = given.items() if isinstance(given, dict) else enumerate(given)
        names = {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError) as err:
        raise DatasetError(f"{path}: names is {given!r}, it takes a list of names, or names by id") from err
    if "kpt_shape" in content:
        raise DatasetError(f"{path}: its labels are keypoints, which have no area")
    root = Path(str(content.get("path") or "."))
    splits = {split: list(dict.fromkeys(_images(path, root, content[split]))) for split in SPLITS if content.get(split)}
    splits = splits or _found(folder)
    absent = [f"{split}: no images in {content[split]!r}" for split, found in splits.items() if not found]
    if len(absent) == len(splits):
        raise DatasetError(f"{path}: " + "; ".join(absent))
    return Config(path, names, {split: found for split, found in splits.items() if found}, content, absent)


def _found(folder: Path) -> dict[str, list[Path]]:
    """Pictures below folders called `images`, by the split that the path names."""
    splits: dict[str, list[Path]] = {}
    for image in pictures(folder, "**/images/**/*"):
        parts = image.relative_to(folder).parts[:-1]
        splits.setdefault(next(filter(None, map(split_of, parts)), ""), []).append(image)
    return splits


def _images(config: Path, root: Path, entry: Any) -> Iterator[Path]:
    """Pictures of a folder, of a list in a text file, or of several of these."""
    for one in entry if isinstance(entry, list) else [entry]:
        place = _there(config.parent, root / str(one))
        if place is None or place.is_dir():
            yield from pictures(place, "**/*") if place else ()
            continue
        for line in filter(None, map(str.strip, read_text(place).splitlines())):
            image = _there(config.parent, place.parent / line if line.startswith("./") else root / line)
            if image is None:
                raise DatasetError(f"{place}: its image {line} is not there")
            yield image


def _there(folder: Path, path: Path) -> Path | None:
    """The file or folder below `folder` that a path ends with, which may be of another machine or begin with `../`."""
    if path.is_relative_to(folder):
        path = path.relative_to(folder)
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    places = (folder.joinpath(*parts[k:]) for k in range(max(1, len(parts))))
    return next((place for place in places if place.exists()), None)


def _beside(image: Path, folder: Path, name: str) -> Path:
    """Path with the last folder `images` below the export called `name`; without one, beside the image."""
    parts = list(image.relative_to(folder).parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = name
    return folder.joinpath(*parts)


def _describe(request: Request) -> Description:
    config = _config(request.folder)
    masks = str(config.rest.get("masks_dir") or ("masks" if (request.folder / "masks").is_dir() else ""))
    return _masks(request, config, masks) if masks else _polygons(request, config)


def _polygons(request: Request, config: Config) -> Description:
    annotated: list[Annotated] = []
    empty: list[Path] = []
    boxes = 0
    for split, images in config.splits.items():
        for image in images:
            path = _beside(image, request.folder, "labels").with_suffix(".txt")
            lines = read_text(path).splitlines() if path.is_file() else []
            if not any(map(str.strip, lines)) and not request.background:
                empty.append(image)
                continue
            height, width = picture_shape(image)
            shapes = list(_shapes(lines, (width, height), config, path))
            boxes += sum(points is None for _, points in shapes)
            rings = [(name, points) for name, points in shapes if points is not None]
            rings.sort(key=lambda one: -_mask(one[1], height, width).sum())  # as Ultralytics does: small ones on top
            regions = [Region(name, partial(_mask, points, height, width)) for name, points in rings]
            annotated.append(Annotated(image, height, width, regions, path, split))
    if boxes and not any(one.regions for one in annotated):
        raise DatasetError(f"{config.path}: its labels are boxes; pixels need polygons (YOLO segmentation)")
    if not annotated and empty:
        looked = _beside(empty[0], request.folder, "labels").with_suffix(".txt")
        raise DatasetError(f"{config.path}: no image has a label file with a line; looked for {looked}")
    names = [config.names[number] for number in sorted(config.names)]
    made = list(dict.fromkeys(["**/*.txt", config.path.relative_to(request.folder).as_posix()]))
    description = draw(annotated, names, request, made)
    description.notes += config.notes
    if boxes:
        description.notes.append(f"{boxes} boxes without a polygon are left out")
    if empty:
        description.notes.append(f"{len(empty)} images without labels are left out, e.g. {empty[0].name}")
    return description


def _shapes(
    lines: list[str], size: tuple[int, int], config: Config, path: Path
) -> Iterator[tuple[str, npt.NDArray[np.int32] | None]]:
    """Name of the class and points (n, 2) in pixels of each line; None for a box. Raises DatasetError."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            index, *values = map(float, line.split())
        except ValueError as err:
            raise DatasetError(f"{path}: line {number} is {line[:60]!r}, not a class and numbers") from err
        if index not in config.names:
            raise DatasetError(f"{path}: line {number} has class {index:g}, {config.path.name} has no such one")
        if len(values) in (4, 5):  # a box, perhaps with a confidence
            yield config.names[int(index)], None
        elif len(values) < 6 or len(values) % 2 or not np.isfinite(values).all():
            raise DatasetError(f"{path}: line {number} has {len(values)} numbers, a polygon has pairs x y")
        else:
            points = (np.array(values).reshape(-1, 2) + _rounding(line)) * size
            yield config.names[int(index)], np.floor(points).astype(np.int32)


def _rounding(line: str) -> float:
    """By how much numbers of a line may be too small: a point on a pixel must not come into the one before."""
    digits = max(len(number.partition(".")[2]) for number in line.split())
    return 0.5 * 10.0 ** -min(digits, DIGITS) if digits else 0.0


def _mask(points: npt.NDArray[np.int32], height: int, width: int) -> Mask:
    """As Ultralytics fills it: the pixels that its points lie in belong to it."""
    return polygon([points.tolist()], height, width, "opencv")


def _masks(request: Request, config: Config, name: str) -> Description:
    """Masks of ids (255 counts nowhere) in folders beside those of the images."""
    names = [config.names[number] for number in sorted(config.names)]
    names = ["background", *names] if len(names) == 1 else names  # 1 is the class then
    stored: dict[int, int] = dict(enumerate(range(len(names))))
    for old, new in (config.rest.get("label_mapping") or {}).items():
        stored[int(old)] = int(new) if str(new).strip().isdigit() else IGNORED
    folded = fold_background(names, request)
    target = [folded.mapping.get(one, one) for one in names]
    mapping = {k: target[v] if v < len(names) else "ignore" for k, v in sorted(stored.items()) if 0 <= k < IGNORED}
    splits: dict[str, list[Values]] = {}
    for split, images in config.splits.items():
        for folder in sorted({image.parent for image in images}):
            labels = _beside(folder / "any", request.folder, name).parent
            if len(pictures(folder)) != sum(image.parent == folder for image in images):
                raise DatasetError(f"{config.path}: {split} lists images of {folder}; with masks, name whole folders")
            first = next(iter(pictures(labels)), None)
            source: Values = {
                "images": folder.relative_to(request.folder).as_posix(),
                "labels": labels.relative_to(request.folder).as_posix(),
                "missing_labels": "skip",
                "mapping": mapping,
            }
            if first is not None:
                splits.setdefault(split, []).append(source | _encoding(first))
    if not splits:
        raise DatasetError(f"{config.path}: no masks in the folders {name} beside those of the images")
    return Description(class_table(folded.names), with_validation(splits), notes=[*folded.notes, *config.notes])


def _encoding(path: Path) -> Values:
    """Entry of a source whose ids are stored as RGB, in 16 bits, or as indices of a palette of colours."""
    picture = read_label_file(path)
    if picture.palette is not None and bool((picture.palette != picture.palette[:, :1]).any()):
        return {"encoding": "ids"}
    return {"encoding": "grey"} if picture.values.ndim == 3 or picture.values.dtype != np.uint8 else {}


FORMATS = (Format("yolo", "Ultralytics YOLO segmentation", _recognise, _describe),)
