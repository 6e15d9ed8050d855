"""Label maps as polygons, and as Label Studio's run lengths."""

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.metrics.frame import UInt8

SMALLEST = 12  # pixels; smaller regions are more work to correct than to draw
RUN_BITS = (4, 8, 12, 16)  # lengths of runs that Label Studio's format may have, here


class Outline(NamedTuple):
    """A region of one class. points: (x, y), pixels of its border, or between pixels. area: in pixels."""

    class_id: int
    points: list[tuple[float, float]]
    area: float


def outlines(labels: UInt8, classes: int, *, between: bool, smallest: int = SMALLEST) -> list[Outline]:
    """Outer borders of all regions of the classes, the largest first: drawn in this order, they give the labels.

    labels: uint8 (H, W); ids from `classes` on are unlabelled. Regions inside others are drawn over them; unlabelled
    holes are not kept. between: points lie a quarter of a pixel outside of the centres of the border's pixels, so that
    a polygon that is filled by centres is exact; otherwise they are pixels. smallest: pixels of a region that is kept.
    """
    found: list[Outline] = []
    scale = 2 if between else 1
    for class_id in np.unique(labels[labels < classes]):
        # Regions that touch at a corner are two: as one they could cover what another class has beyond that corner.
        count, parts, boxes, _ = cv2.connectedComponentsWithStats((labels == class_id).astype(np.uint8), connectivity=4)
        for part in range(1, count):
            left, top, width, height = boxes[part, :4]
            mask = (parts[top : top + height, left : left + width] == part).astype(np.uint8)
            if between:
                mask = mask.repeat(2, axis=0).repeat(2, axis=1)
            place = left * scale, top * scale
            (contour, *_), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=place)
            points = contour.reshape(-1, 2).astype(float)
            area = _area(contour) / scale**2
            if area < smallest:
                continue
            if between:
                points = (points + 0.5) / 2
            if len(points) < 3:  # one pixel wide
                points = np.pad(points, ((0, 3 - len(points)), (0, 0)), mode="edge")
            found.append(Outline(int(class_id), [(float(x), float(y)) for x, y in points], area))
    return sorted(found, key=lambda one: -one.area)


def _area(contour: npt.NDArray[np.int32]) -> float:
    """Pixels inside of a contour and on it."""
    x, y, width, height = cv2.boundingRect(contour)
    filled = np.zeros((height, width), np.uint8)
    cv2.fillPoly(filled, [contour - (x, y)], 1)
    return float(filled.sum())


def label_studio_rle(mask: npt.NDArray[np.bool_]) -> list[int]:
    """A mask as the brush of Label Studio stores it: runs of RGBA values, as bytes."""
    flat = mask.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    bits = [f"{4 * flat.size:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in RUN_BITS)]
    for start, end in pairwise(starts):
        value = f"{255 if flat[start] else 0:08b}"
        remaining = 4 * int(end - start)
        while remaining:
            length = min(remaining, 1 << RUN_BITS[-1])
            place = next(k for k, size in enumerate(RUN_BITS) if length <= 1 << size)
            bits.append(f"1{place:02b}{length - 1:0{RUN_BITS[place]}b}{value}")
            remaining -= length
    joined = "".join(bits)
    joined += "0" * (-len(joined) % 8)
    return list(int(joined, 2).to_bytes(len(joined) // 8, "big"))
