"""Options of commands that project onto the ground: where the camera is, and its calibration."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.costs import load_costs
from icnet_ros.ground.camera import Floats, GroundCamera, camera_of
from icnet_ros.ground.pose import pose_of
from icnet_ros.ground.recorded_pose import recorded_pose
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.calibration import CameraInfo
from icnet_ros.wire.calibration_file import read_calibration
from icnet_ros.wire.cdr import CAMERA_INFO, deserialise

if TYPE_CHECKING:
    from icnet_ros.ground.view import GroundView
    from icnet_ros.replay.drives import Drive

Height = Annotated[
    float, typer.Option("--camera-height", "--height", min=0.0, help="Height of the camera above the ground, metres.")
]
Pitch = Annotated[float, typer.Option("--camera-pitch", "--pitch", help="Degrees by which the camera looks down.")]
Roll = Annotated[float, typer.Option("--camera-roll", "--roll", help="Degrees by which the camera leans to its right.")]
Fov = Annotated[
    float, typer.Option("--fov", min=0.0, max=179.0, help="Horizontal angle of view in degrees, without --camera-info.")
]
CameraInfoFile = Annotated[
    Path | None, typer.Option("--camera-info", help="Calibration file (YAML) of camera_calibration.")
]
Rectified = Annotated[
    bool, typer.Option("--rectified", help="Images are rectified: P of the calibration holds, not K.")
]

GroundFrame = Annotated[
    str,
    typer.Option(
        "--ground-frame", help="Frame of grid and scan in the bag's /tf_static, which count without --camera-height."
    ),
]
GRID = "10x10,0.05,0,-5"
Ground = Annotated[
    bool,
    typer.Option("--ground", help="Also write the occupancy grid (PNG and YAML for map_server) and the scan."),
]
Grid = Annotated[str, typer.Option("--grid", help="SIZE_XxSIZE_Y,RESOLUTION,X,Y of the grid and its corner, metres.")]
ScanRange = Annotated[float, typer.Option("--scan-range", min=0.1, help="scan_range_max, metres.")]
Costs = Annotated[
    str, typer.Option("--ground-costs", help="Label groups with costs, where --label-groups is not given.")
]


@dataclass(frozen=True)
class CameraOptions:
    """What the options say."""

    height: float
    pitch: float
    roll: float
    fov: float = 0.0
    info: Path | None = None
    rectified: bool = False

    def pose(self) -> Floats:
        """Raises typer.BadParameter without a height."""
        if not self.height > 0:
            raise typer.BadParameter("--camera-height is needed: metres of the camera above the ground")
        return pose_of(self.height, self.pitch, self.roll)

    def camera(self, height: int, width: int, recorded: CameraInfo | None = None) -> GroundCamera:
        """Camera for images of this size. recorded: CameraInfo of a bag, which counts if no option is given.

        Raises WireError, GroundError, typer.BadParameter without a calibration.
        """
        size = height, width
        info = read_calibration(self.info) if self.info is not None else None if self.fov else recorded
        if info is not None:
            return camera_of(info, size, size, rectified=self.rectified)
        if not self.fov:
            raise typer.BadParameter(
                "name the calibration with --camera-info FILE, or the angle of view with --fov DEGREES"
            )
        focal = width / 2 / math.tan(math.radians(self.fov) / 2)
        return GroundCamera(height, width, (focal, focal), ((width - 1) / 2, (height - 1) / 2))


def parse_grid(text: str) -> GridShape:
    """The value of --grid. Raises typer.BadParameter."""
    try:
        size, *rest = text.split(",")
        size_x, size_y = (float(one) for one in size.split("x"))
        resolution, x, y = (float(one) for one in rest)
        if not 0.005 <= resolution <= 10:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"--grid is {text!r}; it takes five numbers, such as {GRID}") from None
    return GridShape.of_size(size_x, size_y, resolution, x, y)


def open_ground(
    options: CameraOptions, shapes: tuple[GridShape, ScanShape], classes: ClassTable, label_groups: str, costs: str
) -> Callable[[int, int], "GroundView"]:
    """Views for label maps of a height and width. Raises ClassTableError for groups without costs."""
    from icnet_ros.ground.view import GroundSettings, GroundView  # numba takes a second to import

    settings = GroundSettings(*shapes, load_costs(classes, label_groups, costs))
    return lambda height, width: GroundView(options.camera(height, width), options.pose(), settings)


def open_drives(
    options: CameraOptions,
    shapes: tuple[GridShape, ScanShape],
    classes: ClassTable,
    label_groups: str,
    costs: str,
    ground_frame: str,
) -> Callable[["Drive"], Callable[[int, int], "GroundView"]]:
    """The same for each drive, whose bag may hold the calibration and, on /tf_static, the camera's pose."""
    from icnet_ros.ground.view import GroundSettings, GroundView

    settings = GroundSettings(*shapes, load_costs(classes, label_groups, costs))

    @cache
    def open_drive(drive: "Drive") -> Callable[[int, int], "GroundView"]:
        with open_bag(drive.bag) as bag:
            images = bag.image_topic(drive.selection.image_topic)
            topic = f"{images.base.rpartition('/')[0]}/camera_info"
            message = next(iter(bag.messages(topic)), None)
            recorded = None if message is None else deserialise(message.content(), CAMERA_INFO)
            first = bag.first_image(images)
            frame = first.header.frame_id if first else ""
            pose = options.pose() if options.height else recorded_pose(bag, frame, ground_frame)
        found = options if "rect" not in images.base else replace(options, rectified=True)
        return lambda height, width: GroundView(found.camera(height, width, recorded), pose, settings)

    return open_drive
