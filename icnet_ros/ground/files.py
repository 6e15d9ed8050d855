"""Grids in the form of map_server (PNG and YAML), scans as CSV."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.ground.arrays import Float32, Int8, UInt8
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.wire.pictures.picture_file import write_picture


def map_picture(cells: Int8) -> UInt8:
    """Cells int8 (rows, columns) as map_server reads them in mode `scale`: BGRA uint8, transparent where unknown.

    White is free, black lethal. Row 0 of the picture has the largest y.
    """
    known = cells >= 0
    grey = np.where(known, np.rint(255 - 2.55 * np.maximum(cells, 0)), 128).astype(np.uint8)
    picture: UInt8 = np.stack([grey, grey, grey, np.where(known, 255, 0).astype(np.uint8)], -1)[::-1]
    return np.ascontiguousarray(picture)


def write_map(path: Path, cells: Int8, grid: GridShape) -> None:
    """Write PATH.png and PATH.yaml. With these thresholds map_server gives back the same costs."""
    write_picture(path.with_name(f"{path.name}.png"), map_picture(cells))
    path.with_name(f"{path.name}.yaml").write_text(
        f"image: {path.name}.png\nmode: scale\nresolution: {grid.resolution:g}\norigin: [{grid.x:g}, {grid.y:g}, 0.0]\n"
        "negate: 0\noccupied_thresh: 1.0\nfree_thresh: 0.0\n",
        encoding="utf-8",
    )


def scan_header(scan: ScanShape) -> str:
    """First line of a CSV of scans: the bearing of each beam in rad."""
    return ",".join(f"{scan.angle_min + scan.step * beam:.4f}" for beam in range(scan.beams))


def scan_row(ranges: Float32) -> str:
    """Ranges in metres; inf and nan as in the message."""
    return ",".join(f"{value:.3f}" for value in ranges)


def paint_map(
    cells: Int8, ranges: Float32 | None, grid: GridShape, scan: ScanShape, size: int, camera: Sequence[float] = ()
) -> UInt8:
    """Bird's-eye view BGR uint8 (size, width, 3), x upward and y to the left.

    Free is green, lethal red, between them yellow, unknown grey; dots are the ranges of the scan. camera: its x and y.
    """
    cost = np.maximum(cells, 0).astype(np.float32)[..., None] / 100
    free, middle, lethal = (np.array(one, np.float32) for one in ((110, 160, 90), (60, 200, 220), (50, 40, 200)))
    colours = np.where(cost < 0.5, free + (middle - free) * 2 * cost, middle + (lethal - middle) * (2 * cost - 1))
    colours[cells < 0] = 60
    picture = np.ascontiguousarray(colours.astype(np.uint8).transpose(1, 0, 2)[::-1, ::-1])
    width = max(1, round(size * grid.rows / grid.columns))
    picture = np.asarray(cv2.resize(picture, (width, size), interpolation=cv2.INTER_NEAREST), np.uint8)
    per_metre = size / (grid.columns * grid.resolution)

    def place(x: float, y: float) -> tuple[int, int]:
        top, left = grid.x + grid.columns * grid.resolution, grid.y + grid.rows * grid.resolution
        return round((left - y) * per_metre), round((top - x) * per_metre)

    for beam in np.flatnonzero(np.isfinite(ranges)) if ranges is not None else ():
        angle = scan.angle_min + scan.step * beam
        assert ranges is not None
        point = place(float(ranges[beam] * np.cos(angle)), float(ranges[beam] * np.sin(angle)))
        cv2.circle(picture, point, max(1, size // 240), (255, 255, 255), cv2.FILLED)
    if len(camera):
        cv2.drawMarker(
            picture, place(camera[0], camera[1]), (255, 255, 255), cv2.MARKER_TRIANGLE_UP, max(8, size // 30), 2
        )
    return picture
