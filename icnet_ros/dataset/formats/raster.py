"""Polygons, ellipses and run lengths as masks, by the rule of the tool that they come from.

There are three rules, as public rasterisers differ along the border of a polygon. "centre": a pixel belongs to it if
its centre is inside, by the even-odd rule over all rings (COCO, Label Studio). "pillow": Pillow's `ImageDraw.polygon`,
which also takes pixels that the outline touches (labelme, Cityscapes and IDD). "opencv": OpenCV's `fillPoly`, points
are pixels and belong to it (Supervisely).
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from icnet_ros.dataset.base import DatasetError

Mask = npt.NDArray[np.bool_]
Ring = Sequence[Sequence[float]]


def polygon(rings: Sequence[Ring], height: int, width: int, rule: str) -> Mask:
    """Mask (height, width) of a polygon: its outline, then its holes; points are (x, y) in pixels.

    rule: "centre", "pillow" or "opencv", see above.
    """
    usable = [[(float(point[0]), float(point[1])) for point in ring] for ring in rings if len(ring) > 2]
    if not usable:
        return np.zeros((height, width), bool)
    if rule == "centre":
        return _centres(usable, height, width)
    if rule == "opencv":
        canvas = np.zeros((height, width), np.uint8)
        whole = [np.round(np.array(ring)).astype(np.int32) for ring in usable]
        cv2.fillPoly(canvas, whole[:1], 1)
        if whole[1:]:
            cv2.fillPoly(canvas, whole[1:], 0)
        return canvas.astype(bool)
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for value, ring in zip((1, *[0] * len(usable)), usable, strict=False):
        draw.polygon(ring, fill=value, outline=value)
    return np.array(picture)


def _centres(rings: Sequence[Ring], height: int, width: int) -> Mask:
    """By scan lines: a row changes between outside and inside where an edge crosses the line through its centres."""
    points = [np.array(ring) for ring in rings]
    x0, y0 = np.concatenate(points).T
    x1, y1 = np.concatenate([np.roll(ring, -1, axis=0) for ring in points]).T
    first = np.ceil(np.minimum(y0, y1) - 0.5).clip(0, height).astype(int)
    counts = np.ceil(np.maximum(y0, y1) - 0.5).clip(0, height).astype(int) - first
    edge = np.repeat(np.arange(len(counts)), counts)  # one entry for each row that an edge crosses
    mask = np.zeros((height, width), bool)
    if not edge.size:
        return mask
    rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    x0, y0, x1, y1 = (values[edge] for values in (x0, y0, x1, y1))
    columns = np.ceil(x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0) - 0.5).clip(0, width).astype(int)
    top, left, right = rows.min(), columns.min(), columns.max()
    size = rows.max() + 1 - top, right + 1 - left
    toggles = np.bincount((rows - top) * size[1] + columns - left, minlength=size[0] * size[1]).reshape(size)
    inside = np.logical_xor.accumulate(toggles % 2 == 1, axis=1)
    mask[top : top + size[0], left:right] = inside[:, : right - left]
    return mask


def ellipse(x: float, y: float, radii: tuple[float, float], degrees: float, height: int, width: int) -> Mask:
    """Mask of the pixels whose centres lie in an ellipse around (x, y) that is turned clockwise."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    angle = np.deg2rad(degrees)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = -(columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
    inside: Mask = (along / max(radii[0], 1e-9)) ** 2 + (across / max(radii[1], 1e-9)) ** 2 <= 1
    return inside


def coco_rle(segmentation: Any) -> Mask:
    """Mask of COCO's run lengths, column by column: a list, or the compressed text. Raises DatasetError."""
    try:
        height, width = (int(value) for value in segmentation["size"])
        counts = segmentation["counts"]
        runs = np.array(_coco_counts(counts) if isinstance(counts, (str, bytes)) else counts, np.int64)
        if runs.sum() != height * width or (runs < 0).any():
            raise ValueError(f"{runs.sum()} pixels in runs for {width}x{height}")
    except (KeyError, TypeError, ValueError, IndexError) as err:
        raise DatasetError(f"not COCO's run lengths ({type(err).__name__}: {err})") from err
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def _coco_counts(text: str | bytes) -> list[int]:
    """Run lengths of the compressed text: 5 bits a character, from the third on differences to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for byte in text.encode() if isinstance(text, str) else text:
        part = byte - 48
        value |= (part & 31) << shift
        shift += 5
        if not part & 32:
            if part & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def label_studio_rle(values: Sequence[int], height: int, width: int) -> Mask:
    """Mask of Label Studio's run lengths, which hold RGBA values: where alpha is above half. Raises DatasetError."""
    try:
        bits = np.unpackbits(np.array(values, np.uint8))
        place = 0

        def take(count: int) -> int:
            nonlocal place
            if place + count > len(bits):
                raise ValueError("it ends early")
            place += count
            return int("".join(map(str, bits[place - count : place])), 2)

        total, word = take(32), take(5) + 1
        sizes = [take(4) + 1 for _ in range(4)]
        if total != height * width * 4:
            raise ValueError(f"{total} values for {width}x{height} pixels of 4")
        out, done = np.zeros(total, np.uint8), 0
        while done < total:
            same = take(1)
            length = take(sizes[take(2)]) + 1
            out[done : done + length] = take(word) if same else [take(word) for _ in range(length)]
            done += length
    except (ValueError, TypeError, OverflowError) as err:
        raise DatasetError(f"not Label Studio's run lengths ({err})") from err
    return out.reshape(height, width, 4)[..., 3] > 127
