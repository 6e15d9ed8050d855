"""What is published: extent and resolution of the grid, beams and ranges of the scan."""

import math
from dataclasses import dataclass

from icnet_ros.ground.errors import GroundError

MAX_CELLS = 4_000_000
MAX_BEAMS = 10_000


@dataclass(frozen=True)
class GridShape:
    """A grid whose corner (column 0, row 0) lies at `x`, `y` in the ground frame; x grows with columns, y with rows.

    resolution: side of a cell in metres.
    """

    resolution: float = 0.05
    columns: int = 200
    rows: int = 200
    x: float = -5.0
    y: float = -5.0

    def __post_init__(self) -> None:
        if not 0 < self.columns * self.rows <= MAX_CELLS:
            raise GroundError(
                f"a grid of {self.columns}x{self.rows} cells; 1 to {MAX_CELLS} are possible: choose another "
                "grid_size_x, grid_size_y or grid_resolution"
            )

    @classmethod
    def of_size(cls, size_x: float, size_y: float, resolution: float, x: float, y: float) -> "GridShape":
        """A grid of a size in metres."""
        return cls(resolution, round(size_x / resolution), round(size_y / resolution), x, y)


@dataclass(frozen=True)
class ScanShape:
    """Beams from `angle_min` to `angle_max` (rad, anticlockwise from the x axis), about the origin of the ground frame.

    obstacle_cost: classes of at least this cost are obstacles.
    """

    angle_min: float = -math.pi
    angle_max: float = math.pi
    beams: int = 720
    range_min: float = 0.0
    range_max: float = 10.0
    obstacle_cost: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.angle_max - self.angle_min <= 2 * math.pi + 1e-3:
            raise GroundError(
                f"a scan from {self.angle_min:g} to {self.angle_max:g} rad: scan_angle_max must be larger than "
                "scan_angle_min, by a full circle at most"
            )
        if not 2 <= self.beams <= MAX_BEAMS:
            raise GroundError(f"a scan of {self.beams} beams; scan_beams takes 2 to {MAX_BEAMS}")
        if not 0 <= self.range_min < self.range_max:
            raise GroundError("scan_range_max must be larger than scan_range_min")

    @property
    def circle(self) -> bool:
        """Whether the beams go all around; the last is then one step before the first."""
        return self.angle_max - self.angle_min > 2 * math.pi - 1e-3

    @property
    def step(self) -> float:
        """Angle between two beams, rad."""
        return 2 * math.pi / self.beams if self.circle else (self.angle_max - self.angle_min) / (self.beams - 1)
