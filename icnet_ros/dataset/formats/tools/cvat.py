"""CVAT's own XML, "CVAT for images 1.1" and "CVAT for video 1.1"."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np

from icnet_ros.checkpoint.classes import Colour
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import Description, Format, Request, files, hex_colour, split_of
from icnet_ros.dataset.formats.drawing import Annotated, Images, Region, draw, picture_shape
from icnet_ros.dataset.formats.raster import Mask, ellipse, polygon

AREAS = ("polygon", "box", "mask", "ellipse")
OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")
Size = tuple[int, int]


@dataclass
class _Content:
    """What the files say.

    images: entries `image`. frames: shapes of tracks by number of the frame. tasks: whose tracks they are. others:
    shapes without an area.
    """

    colours: dict[str, Colour] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    images: list[Element] = field(default_factory=list)
    frames: dict[int, list[Element]] = field(default_factory=dict)
    tasks: set[str] = field(default_factory=set)
    others: int = 0


def _files(folder: Path) -> list[Path]:
    return [path for path in files(folder, "*.xml", "annotations/*.xml") if _is_cvat(path)]


def _is_cvat(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotations>" in file.read(256)


def _describe(request: Request) -> Description:
    images = Images(request.folder, request.drawn)
    annotated: list[Annotated] = []
    names: list[str] = []
    colours: dict[str, Colour] = {}
    notes: list[str] = []
    for path in _files(request.folder):
        try:
            content = _read(path)
            annotated += _images(content, path, images, request, notes)
            annotated += _frames(content, path, images)
        except (ParseError, KeyError, ValueError) as err:
            raise DatasetError(f"{path}: not CVAT's XML ({type(err).__name__}: {err})") from err
        names += content.names
        colours |= content.colours
        if content.others:
            notes.append(f"{path.name}: {content.others} lines, points and others without an area are left out")
    used = {region.name for one in annotated for region in one.regions}
    if unused := [name for name in dict.fromkeys(names) if name not in used]:
        notes.append(f"labels without a region are left out: {', '.join(unused)}")
    kept = [name for name in dict.fromkeys([*names, *sorted(used)]) if name in used]
    made = [path.relative_to(request.folder).as_posix() for path in _files(request.folder)]
    description = draw(annotated, kept, request, made[0] if len(made) == 1 else "**/*.xml", colours)
    description.notes += notes
    return description


def _read(path: Path) -> _Content:
    content, depth = _Content(), 0
    for event, one in iterparse(path, ("start", "end")):  # noqa: S314  expat bounds entities itself
        depth += 1 if event == "start" else -1
        if event == "start" or depth > 1:
            continue
        if one.tag == "meta":
            _meta(one, content)
        elif one.tag == "image":
            content.images.append(one)
            content.others += sum(child.tag in OTHERS for child in one)
        elif one.tag == "track":
            content.others += sum(child.tag in OTHERS for child in one)
            content.tasks.add(one.get("task_id", ""))
            for shape in one:
                if shape.tag in AREAS and shape.get("outside") != "1":
                    shape.set("label", one.attrib["label"])
                    content.frames.setdefault(int(shape.attrib["frame"]), []).append(shape)
    return content


def _meta(meta: Element, content: _Content) -> None:
    for label in meta.findall(".//labels/label"):
        name = label.findtext("name") or ""
        content.names.append(name)
        if colour := label.findtext("color"):
            content.colours[name] = hex_colour(colour)


def _images(content: _Content, path: Path, images: Images, request: Request, notes: list[str]) -> Iterator[Annotated]:
    absent, empty = [], []
    for one in content.images:
        name, split = one.attrib["name"], split_of(one.get("subset", ""))
        size = int(one.attrib["height"]), int(one.attrib["width"])
        regions = _regions(list(one), size)
        image = images.find(name, path.parent / "images", split)
        if image is None:
            absent.append(name)
        elif regions or request.background:
            yield Annotated(image, *size, regions, path, split)
        else:
            empty.append(name)
    for what, found in (("of its images are not there", absent), ("images without a shape are left out", empty)):
        if found:
            notes.append(f"{path.name}: {len(found)} {what}, e.g. {found[0]}")


def _frames(content: _Content, path: Path, images: Images) -> Iterator[Annotated]:
    """Frames of a video, which the export calls frame_000000.PNG, ... Raises DatasetError for a missing one."""
    if len(content.tasks) > 1:
        raise DatasetError(f"{path}: frames of {len(content.tasks)} tasks have the same numbers: export each task")
    by_stem = images.by_stem() if content.frames else {}
    for number, shapes in sorted(content.frames.items()):
        stem = f"frame_{number:06d}"
        if stem not in by_stem:
            raise DatasetError(f"{path}: no picture {stem}: export the task with images, or name the frames so")
        size = picture_shape(by_stem[stem])
        yield Annotated(by_stem[stem], *size, _regions(shapes, size), path)


def _regions(shapes: list[Element], size: Size) -> list[Region]:
    """By z_order, as CVAT draws them."""
    areas = sorted((one for one in shapes if one.tag in AREAS), key=lambda one: int(one.get("z_order", 0)))
    return [Region(one.attrib["label"], partial(_mask, one, *size)) for one in areas]


def _mask(shape: Element, height: int, width: int) -> Mask:
    try:
        if shape.tag == "mask":
            return _run_lengths(shape, height, width)
        if shape.tag == "ellipse":
            x, y, *radii, degrees = _numbers(shape, "cx", "cy", "rx", "ry", "rotation")
            return ellipse(x, y, (radii[0], radii[1]), degrees, height, width)
        if shape.tag == "box":
            return polygon([_box(shape)], height, width, "centre")
        points = [tuple(map(float, pair.split(","))) for pair in shape.attrib["points"].split(";")]
        return polygon([points], height, width, "centre")
    except (KeyError, ValueError) as err:
        raise DatasetError(f"not a shape of CVAT ({type(err).__name__}: {err})") from err


def _numbers(shape: Element, *names: str) -> list[float]:
    return [float(shape.get(name, "0") if name == "rotation" else shape.attrib[name]) for name in names]


def _box(shape: Element) -> list[tuple[float, float]]:
    """Corners of a box that is turned clockwise around its centre."""
    left, top, right, bottom, degrees = _numbers(shape, "xtl", "ytl", "xbr", "ybr", "rotation")
    x, y, angle = (left + right) / 2, (top + bottom) / 2, np.deg2rad(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    sides = [(one - x, other - y) for one, other in ((left, top), (right, top), (right, bottom), (left, bottom))]
    return [(x + along * cos - down * sin, y + along * sin + down * cos) for along, down in sides]


def _run_lengths(shape: Element, height: int, width: int) -> Mask:
    """Runs of pixels outside and inside by turns, row by row, of a rectangle in the image."""
    left, top, wide, high = (int(float(shape.attrib[name])) for name in ("left", "top", "width", "height"))
    runs = np.array(list(map(int, shape.attrib["rle"].split(","))))
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    small = np.pad(flat, (0, max(0, wide * high - len(flat))))
    if len(small) != wide * high:
        raise ValueError(f"{len(flat)} pixels in runs for {wide}x{high}")
    mask = np.zeros((height, width), bool)
    mask[top : top + high, left : left + wide] = small.reshape(high, wide)[: height - top, : width - left]
    return mask


FORMATS = (Format("cvat", "CVAT XML for images or video", lambda folder: bool(_files(folder)), _describe),)
