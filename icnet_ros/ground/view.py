"""Label maps of one camera -> occupancy grid and scan."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from icnet_ros.ground.arrays import Float32, Int8, UInt8
from icnet_ros.ground.camera import Floats, GroundCamera
from icnet_ros.ground.costs import FIRST, UPRIGHT, ClassCosts
from icnet_ros.ground.kernels import fill_cells, march, measure_beams
from icnet_ros.ground.pose import nearly_equal
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.ground.tables import HORIZON_STRIDE, Tables, build_tables
from icnet_ros.wire.arrays import kernel_input

GAP = 0.3  # metres of hidden ground that a beam passes over
NO_CONFIDENCE: UInt8 = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class GroundSettings:
    """What is made of label maps.

    ground: z of the ground plane in the ground frame, metres. confidence: 0..1, labels below it are unknown.
    """

    grid: GridShape
    scan: ScanShape
    costs: ClassCosts
    ground: float = 0.0
    confidence: float = 0.0


@dataclass(frozen=True)
class Shares:
    """How plausible a pose is. ground: share of the image below the horizon that is flat ground, 0..1.

    above: share of the flat ground that lies above the horizon, where none can be; 0 if there is none.
    """

    ground: float
    above: float


class GroundView:
    """Projects label maps of one size, from one camera at one pose."""

    def __init__(self, camera: GroundCamera, pose: Floats, settings: GroundSettings) -> None:
        """pose: (4, 4), from the camera's optical frame to the ground frame. Raises GroundError."""
        self.camera, self.pose, self.settings = camera, pose, settings
        self.tables: Tables = build_tables(camera, pose, settings.ground, settings.grid, settings.scan)
        self._codes, self._costs = settings.costs.codes()
        obstacles = np.flatnonzero(self._costs >= settings.scan.obstacle_cost)
        self._obstacle = int(obstacles[0]) if len(obstacles) else UPRIGHT
        self._polar: UInt8 = np.zeros(self.tables.pixels.shape, np.uint8)

    def fits(self, camera: GroundCamera, pose: Floats) -> bool:
        """Whether the tables can be used for this camera and pose."""
        return camera == self.camera and (pose is self.pose or nearly_equal(pose, self.pose))

    def look(self, labels: UInt8, confidence: UInt8 | None = None) -> None:
        """Take in a label map (H, W), and its confidence 0..255 if the settings have a threshold."""
        if labels.shape != (self.camera.height, self.camera.width):
            raise ValueError(f"labels of {labels.shape}, the tables are for {self.camera.height, self.camera.width}")
        threshold = 255 * self.settings.confidence
        sure = NO_CONFIDENCE if confidence is None or not threshold else confidence.reshape(-1)
        march(
            kernel_input(self.tables.pixels, np.int32), kernel_input(self.tables.aside, np.int32),
            kernel_input(labels.reshape(-1), np.uint8), kernel_input(sure, np.uint8), int(np.ceil(threshold)),
            kernel_input(self._codes, np.uint8), self._polar,
        )  # fmt: skip

    def cells(self) -> Int8:
        """Costs int8 (rows, columns) of the grid, 0..100 or -1; row 0 has the smallest y."""
        grid, members = self.settings.grid, self.tables.cells
        cells: Int8 = np.empty(grid.rows * grid.columns, np.int8)
        fill_cells(
            kernel_input(self._polar.reshape(-1), np.uint8), kernel_input(members.starts, np.uint32),
            kernel_input(members.samples, np.uint32), kernel_input(self._costs, np.int8), cells,
        )  # fmt: skip
        return cells.reshape(grid.rows, grid.columns)

    def ranges(self) -> Float32:
        """Range float32 (beams,) in metres; inf, -inf, NaN as in REP 117."""
        scan, members = self.settings.scan, self.tables.beams
        ranges: Float32 = np.empty(scan.beams, np.float32)
        measure_beams(
            kernel_input(self._polar.reshape(-1), np.uint8), kernel_input(members.starts, np.uint32),
            kernel_input(members.samples, np.uint32), kernel_input(self.tables.ranges, np.float32),
            np.uint8(self._obstacle),
            np.float32(max(GAP, self.settings.grid.resolution)), np.float32(scan.range_min), np.float32(scan.range_max),
            ranges,
        )  # fmt: skip
        return ranges

    def shares(self, labels: UInt8) -> Shares:
        """Of every HORIZON_STRIDE-th row and column of the label map."""
        codes, above = self._codes[labels[::HORIZON_STRIDE, ::HORIZON_STRIDE]], self.tables.above
        flat = (codes >= FIRST) & (codes < UPRIGHT)
        count, below = int(flat.sum()), int((~above).sum())
        return Shares(float((flat & ~above).sum() / max(1, below)), float((flat & above).sum() / max(1, count)))

    @cached_property
    def range_seen(self) -> float:
        """Median over the beams in the field of view of the farthest ground that the camera sees, metres."""
        reach = self.tables.reach
        return float(np.median(reach[reach > 0])) if (reach > 0).any() else 0.0
