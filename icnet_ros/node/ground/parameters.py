"""Parameters of ~/grid and ~/scan; part of `icnet_ros.node.parameters.Parameters`."""

from dataclasses import dataclass

from icnet_ros.ground.errors import GroundError
from icnet_ros.ground.pose import Floats, pose_of
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.node.parameter import ParameterError, parameter

FAR = 1000.0  # metres


@dataclass(frozen=True)
class GroundParameters:
    """Where the ground is seen from, and what is made of it."""

    ground_frame: str = parameter(
        "base_link", "Frame of ~/grid and ~/scan: x ahead, y left, z up from the ground.", change="inactive"
    )
    ground_z: float = parameter(
        0.0, "Height of the ground in ground_frame, metres (negative if the frame is above it).", low=-FAR, high=FAR,
        change="inactive",
    )  # fmt: skip
    ground_costs: str = parameter(
        "nav2",
        "Label groups (as label_groups) whose `cost` and `upright` the classes have in ~/grid and ~/scan; if "
        "label_groups is set, those in its file count.",
        change="inactive",
    )
    ground_confidence: float = parameter(
        0.0, "Pixels with a lower probability are unknown in ~/grid and ~/scan.", low=0.0, high=1.0, change="inactive"
    )
    ground_image: str = parameter(
        "auto",
        "Whether images are raw (K and D of CameraInfo hold) or rectified (P holds); auto: rectified if their topic's "
        "name has 'rect'.",
        choices=("auto", "raw", "rectified"),
        change="inactive",
    )
    camera_height: float = parameter(
        0.0,
        "Height of the camera above the ground, metres; with the next five in place of tf2. 0: from tf2.",
        low=0.0,
        high=FAR,
        change="inactive",
    )
    camera_pitch: float = parameter(
        0.0, "Degrees by which the camera looks down.", low=-90.0, high=90.0, change="inactive"
    )
    camera_roll: float = parameter(
        0.0, "Degrees by which the camera leans to its right.", low=-180.0, high=180.0, change="inactive"
    )
    camera_yaw: float = parameter(
        0.0, "Degrees by which the camera looks to the left.", low=-180.0, high=180.0, change="inactive"
    )
    camera_x: float = parameter(
        0.0, "Metres by which the camera is ahead of ground_frame's origin.", low=-FAR, high=FAR, change="inactive"
    )
    camera_y: float = parameter(
        0.0, "Metres by which the camera is left of ground_frame's origin.", low=-FAR, high=FAR, change="inactive"
    )
    grid_size_x: float = parameter(10.0, "Extent of ~/grid along x, metres.", low=0.1, high=FAR, change="inactive")
    grid_size_y: float = parameter(10.0, "Extent of ~/grid along y, metres.", low=0.1, high=FAR, change="inactive")
    grid_resolution: float = parameter(
        0.05, "Side of a cell of ~/grid, metres; ~/scan is as exact.", low=0.005, high=10.0, change="inactive"
    )
    grid_origin_x: float = parameter(
        -5.0, "x of the rear edge of ~/grid in ground_frame.", low=-FAR, high=FAR, change="inactive"
    )
    grid_origin_y: float = parameter(
        -5.0, "y of the right edge of ~/grid in ground_frame.", low=-FAR, high=FAR, change="inactive"
    )
    scan_angle_min: float = parameter(
        -3.1416, "Angle of the first beam of ~/scan, rad, anticlockwise from ahead.", low=-6.2832, high=6.2832,
        change="inactive",
    )  # fmt: skip
    scan_angle_max: float = parameter(
        3.1416, "Angle of the last beam of ~/scan, rad.", low=-6.2832, high=6.2832, change="inactive"
    )
    scan_beams: int = parameter(720, "Number of beams of ~/scan.", low=2, high=10_000, change="inactive")
    scan_range_min: float = parameter(
        0.0, "Nearer obstacles are -inf in ~/scan, metres.", low=0.0, high=FAR, change="inactive"
    )
    scan_range_max: float = parameter(
        10.0, "Farther obstacles are left out of ~/scan; free that far is inf, metres.", low=0.1, high=FAR,
        change="inactive",
    )  # fmt: skip
    scan_obstacle_cost: int = parameter(
        100, "Classes of at least this cost are obstacles in ~/scan.", low=1, high=100, change="inactive"
    )

    def grid_shape(self) -> GridShape:
        """Raises GroundError."""
        return GridShape.of_size(
            self.grid_size_x, self.grid_size_y, self.grid_resolution, self.grid_origin_x, self.grid_origin_y
        )

    def scan_shape(self) -> ScanShape:
        """Raises GroundError."""
        return ScanShape(
            self.scan_angle_min, self.scan_angle_max, self.scan_beams, self.scan_range_min, self.scan_range_max,
            self.scan_obstacle_cost,
        )  # fmt: skip

    def camera_pose(self) -> Floats | None:
        """Pose (4, 4) of the camera in ground_frame; None if tf2 has it."""
        if not self.camera_height:
            return None
        return pose_of(
            self.camera_height + self.ground_z, self.camera_pitch, self.camera_roll, self.camera_yaw, self.camera_x,
            self.camera_y,
        )  # fmt: skip

    def check_ground(self, cameras: int) -> None:
        """Raise ParameterError for values that do not go together."""
        try:
            self.grid_shape()
            self.scan_shape()
        except GroundError as err:
            raise ParameterError(str(err)) from None
        if not self.ground_frame:
            raise ParameterError("ground_frame is empty: name the frame of ~/grid and ~/scan, such as base_link")
        if self.camera_height and cameras > 1:
            raise ParameterError(
                "camera_height is that of one camera: with several, publish the transforms on /tf_static"
            )
        if not self.camera_height and any(
            (self.camera_pitch, self.camera_roll, self.camera_yaw, self.camera_x, self.camera_y)
        ):
            raise ParameterError("camera_pitch and so on are used with camera_height: set that, too, or leave all at 0")
