"""Look-up tables of one camera, pose and shape of the outputs: computed once, used for every frame.

The ground is sampled in polar coordinates about the point below the camera, at half cells: along a bearing, what
stands up hides what is behind it, however the camera is pitched and rolled. `pixels` says which pixel shows a sample.
Each cell of the grid and each beam of the scan has the list of its samples.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icnet_ros.ground.camera import GroundCamera
from icnet_ros.ground.errors import GroundError
from icnet_ros.ground.shapes import GridShape, ScanShape

Floats = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
UInt32 = npt.NDArray[np.uint32]
MAX_SAMPLES = 8_000_000
COARSE_BEARINGS, COARSE_RADII = 720, 400  # for a first look at what the camera sees
HORIZON_STRIDE = 8  # every so many rows and columns are looked at for the share of ground
NEAREST = 0.02  # metres from the point below the camera


@dataclass(frozen=True)
class Members:
    """Samples by cell or beam: those of number i are samples[starts[i]:starts[i + 1]], places in the polar map."""

    starts: UInt32
    samples: UInt32


@dataclass(frozen=True)
class Tables:
    """pixels: (bearings, radii) place in the label map that shows each sample, outward; -1 for none.

    aside: (bearings,) from a place in the label map to that of the pixel beside it, across the bearing.

    cells: samples of each cell of the grid, row by row. beams: samples of each beam, from near to far, and `ranges`,
    float32, how far each is from the origin. reach: (beams,) farthest range that the camera sees in each beam, 0 for
    those that it does not see. above: bool (h, w), which of every HORIZON_STRIDE-th row and column is above the
    horizon.
    """

    pixels: Int32
    aside: Int32
    cells: Members
    beams: Members
    ranges: npt.NDArray[np.float32]
    reach: npt.NDArray[np.float32]
    above: npt.NDArray[np.bool_]


def build_tables(camera: GroundCamera, pose: Floats, ground: float, grid: GridShape, scan: ScanShape) -> Tables:
    """pose: (4, 4), from the camera's optical frame to the ground frame. ground: z of the ground in that frame.

    Raises GroundError if the camera does not see the ground, or the shapes need too many samples.
    """
    foot = pose[:2, 3]
    if not np.isfinite(pose).all() or pose[2, 3] - ground <= 0:
        raise GroundError(
            f"the camera is {pose[2, 3] - ground:.2f} m above the ground: it must be positive; correct the transform "
            "of the camera, ground_z or camera_height"
        )
    corners = [
        (grid.x + i * grid.resolution * grid.columns, grid.y + j * grid.resolution * grid.rows)
        for i in (0, 1)
        for j in (0, 1)
    ]
    farthest = max([math.dist(foot, corner) for corner in corners] + [float(np.hypot(*foot)) + scan.range_max])
    project = _Projection(camera, pose, ground)
    seen = project.visible(farthest)
    if not seen.any():
        raise GroundError(
            f"the camera sees no ground within {farthest:.1f} m: it looks up, or its image ends above the ground; "
            "correct its transform (from the optical frame, z ahead), or camera_pitch (positive looks down)"
        )
    step = grid.resolution / 2
    farthest = min(farthest, float(_coarse_radii(farthest)[min(COARSE_RADII - 1, np.flatnonzero(seen.any(0))[-1] + 1)]))
    radii = (np.arange(math.ceil(farthest / step)) + 0.5) * step
    count = max(64, math.ceil(2 * math.pi * farthest / step))
    bearings = (np.arange(count) + 0.5) * 2 * math.pi / count
    bins = seen.any(1)
    bins = bins | np.roll(bins, 1) | np.roll(bins, -1)
    bearings = bearings[bins[(bearings / (2 * math.pi) * COARSE_BEARINGS).astype(int)]]
    if len(bearings) * len(radii) > MAX_SAMPLES:
        raise GroundError(
            f"cells of {grid.resolution:g} m out to {farthest:.0f} m take {len(bearings) * len(radii)} samples, at "
            f"most {MAX_SAMPLES}: choose a coarser grid_resolution, or a smaller grid and scan_range_max"
        )
    x = foot[0] + radii * np.cos(bearings)[:, None]
    y = foot[1] + radii * np.sin(bearings)[:, None]
    pixels = project.pixels(x, y)
    shown = np.flatnonzero(pixels.reshape(-1) >= 0)
    x, y, distance = x.reshape(-1)[shown], y.reshape(-1)[shown], np.broadcast_to(radii, pixels.shape).reshape(-1)[shown]
    beams, ranges, reach = _beams(x, y, shown, distance * (2 * math.pi / count), scan)
    return Tables(
        pixels, _aside(pixels, camera.width), _cells(x, y, shown, grid), beams, ranges, reach, project.above()
    )


class _Projection:
    """Points of the ground -> pixels of the label map."""

    def __init__(self, camera: GroundCamera, pose: Floats, ground: float) -> None:
        self._camera, self._pose, self._ground = camera, pose, ground

    def pixels(self, x: Floats, y: Floats) -> Int32:
        """Place in the label map of the pixel that shows each of these points, -1 where none does."""
        result: Int32 = np.full(x.shape, -1, np.int32)
        for part in _parts(len(x)):
            points = np.stack([x[part], y[part], np.full(x[part].shape, self._ground)], -1).reshape(-1, 3)
            u, v = self._camera.project((points - self._pose[:3, 3]) @ self._pose[:3, :3])
            with np.errstate(invalid="ignore"):
                u, v = np.floor(u + 0.5), np.floor(v + 0.5)
                inside = (u >= 0) & (u < self._camera.width) & (v >= 0) & (v < self._camera.height)
            found = np.where(inside, v * self._camera.width + u, -1)
            result[part] = np.nan_to_num(found, nan=-1).astype(np.int32).reshape(result[part].shape)
        return result

    def visible(self, farthest: float) -> npt.NDArray[np.bool_]:
        """Bool (COARSE_BEARINGS, COARSE_RADII): what the camera sees of the ground."""
        bearings = (np.arange(COARSE_BEARINGS) + 0.5) * 2 * math.pi / COARSE_BEARINGS
        radii = _coarse_radii(farthest)
        x = self._pose[0, 3] + radii * np.cos(bearings)[:, None]
        y = self._pose[1, 3] + radii * np.sin(bearings)[:, None]
        seen: npt.NDArray[np.bool_] = self.pixels(x, y) >= 0
        return seen

    def above(self) -> npt.NDArray[np.bool_]:
        """See Tables."""
        rows = np.arange(0, self._camera.height, HORIZON_STRIDE)
        columns = np.arange(0, self._camera.width, HORIZON_STRIDE)
        v, u = (one.reshape(-1).astype(np.float64) for one in np.meshgrid(rows, columns, indexing="ij"))
        upward = self._camera.rays(u, v) @ self._pose[2, :3]
        result: npt.NDArray[np.bool_] = (upward >= 0).reshape(len(rows), len(columns))
        return result


def _aside(pixels: Int32, width: int) -> Int32:
    """See Tables; by the two ends of each bearing in the picture, as bearings are nearly straight there."""
    shown, numbers = pixels >= 0, np.arange(len(pixels))
    near, far = pixels[numbers, shown.argmax(1)], pixels[numbers, -1 - shown[:, ::-1].argmax(1)]
    upright = np.abs(near // width - far // width) >= np.abs(near % width - far % width)
    result: Int32 = np.where(upright, 1, width).astype(np.int32)
    return result


def _coarse_radii(farthest: float) -> Floats:
    radii: Floats = np.geomspace(min(NEAREST, farthest / 2), farthest, COARSE_RADII)
    return radii


def _parts(count: int, size: int = 64) -> Iterator[slice]:
    """Slices of `size` bearings, so that intermediate results stay small."""
    for start in range(0, count, size):
        yield slice(start, start + size)


def _cells(x: Floats, y: Floats, shown: npt.NDArray[np.intp], grid: GridShape) -> Members:
    column = np.floor((x - grid.x) / grid.resolution).astype(np.int64)
    row = np.floor((y - grid.y) / grid.resolution).astype(np.int64)
    inside = (column >= 0) & (column < grid.columns) & (row >= 0) & (row < grid.rows)
    cell = (row * grid.columns + column)[inside]
    order = np.argsort(cell, kind="stable")
    return Members(_starts(cell, grid.columns * grid.rows), shown[inside][order].astype(np.uint32))


def _beams(
    x: Floats, y: Floats, shown: npt.NDArray[np.intp], width: Floats, scan: ScanShape
) -> tuple[Members, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """width: of the strip of ground that a sample stands for, across its bearing, in metres."""
    ranges = np.hypot(x, y)
    near = (ranges <= scan.range_max) & (ranges > 0)
    ranges, shown, width = ranges[near], shown[near], width[near]
    place = (np.arctan2(y[near], x[near]) - scan.angle_min) / scan.step + 0.5
    if scan.circle:
        place %= scan.beams
    else:
        place %= 2 * math.pi / scan.step  # angles are in -pi..pi, angle_min may be anywhere
    # A sample belongs to all beams that its strip reaches into: near the origin that may be several.
    half = np.minimum(width / (2 * ranges * scan.step), scan.beams / 2)
    first, last = np.floor(place - half).astype(np.int64), np.floor(place + half).astype(np.int64)
    counts = last - first + 1
    beam = np.repeat(first, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    ranges, shown = np.repeat(ranges, counts), np.repeat(shown, counts)
    if scan.circle:
        beam %= scan.beams
    inside = (beam >= 0) & (beam < scan.beams)
    beam, ranges, shown = beam[inside], ranges[inside], shown[inside]
    order = np.lexsort((ranges, beam))
    reach: npt.NDArray[np.float32] = np.zeros(scan.beams, np.float32)
    np.maximum.at(reach, beam, ranges.astype(np.float32))
    return Members(_starts(beam, scan.beams), shown[order].astype(np.uint32)), ranges[order].astype(np.float32), reach


def _starts(owner: npt.NDArray[np.int64], count: int) -> UInt32:
    starts: UInt32 = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(owner, minlength=count), out=starts[1:])
    return starts
