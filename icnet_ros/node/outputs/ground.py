"""~/grid and ~/scan: the labels on the ground plane, for planners."""

import threading
from time import perf_counter

from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import LaserScan

from icnet_ros.checkpoint.costs import load_costs
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.ground.camera import Floats, GroundCamera, camera_of
from icnet_ros.ground.pose import nearly_equal
from icnet_ros.ground.view import GroundSettings, GroundView
from icnet_ros.node.frame import LabelledFrame, NotYet
from icnet_ros.node.ground.messages import encode_grid, encode_scan
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import LATCHED, Output, Topic
from icnet_ros.node.parameters import Parameters

START_S = 2.0  # CameraInfo and /tf come so long after the first frame that needs them
ABOVE = 0.1  # share of the ground above the horizon from which on the pose is doubted


class Ground(Output):
    """Both are projected from the same look-up tables, which are computed on another thread when the camera is new."""

    topics = (
        Topic(
            "grid",
            OccupancyGrid,
            "nav_msgs/OccupancyGrid: costs of the ground around the robot, [Grid and scan](ground.md)",
            LATCHED,
        ),
        Topic(
            "scan", LaserScan, "sensor_msgs/LaserScan: nearest obstacle in each direction, [Grid and scan](ground.md)"
        ),
    )

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=settings.ground_confidence > 0, camera_info=True)
        self._fixed_pose = settings.camera_pose()
        self._ground: GroundSettings | None = None
        self._view: GroundView | None = None
        self._build: _Build | None = None
        self._started: float | None = None
        self._doubt = 0.0  # running mean of the share above the horizon

    def reset(self) -> None:
        """See Output."""
        self._started, self._doubt, self.warning, self.figures = None, 0.0, "", {}

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        try:
            camera, pose = self._camera(frame), self._pose(frame)
        except ValueError:
            self._started = self._started or perf_counter()
            if perf_counter() - self._started < START_S:
                raise NotYet from None
            raise
        if self._view is None or not self._view.fits(camera, pose):
            frame = self._renew(frame, camera, pose)
        if self._view is not None:
            self._publish(frame, self._view)

    def _camera(self, frame: LabelledFrame) -> GroundCamera:
        rectified = {"raw": False, "rectified": True}.get(
            self.settings.ground_image, "rect" in frame.inputs.image_topic.lower()
        )
        return camera_of(frame.camera_info, frame.picture.pixels.shape[:2], frame.labels.shape, rectified=rectified)

    def _pose(self, frame: LabelledFrame) -> Floats:
        if self._fixed_pose is not None:
            return self._fixed_pose
        return frame.inputs.camera_in(self.settings.ground_frame, frame.stamp, str(frame.header.frame_id))

    def _renew(self, frame: LabelledFrame, camera: GroundCamera, pose: Floats) -> LabelledFrame:
        """Take the tables that were computed, and return the frame to publish with them.

        That is the one for which they were computed, if the camera has moved since. Raises NotYet while they are
        computed, GroundError if they cannot be.
        """
        build = self._build
        if build is None:
            self._build = _Build(frame, camera, pose, self._ground_settings())
            raise NotYet
        if build.thread.is_alive():
            raise NotYet
        if build.error is not None and build.is_for(camera, pose):
            raise build.error
        self._view, self._build = build.view, None
        if self._view is not None and self._view.fits(camera, pose):
            return frame
        self._build = _Build(frame, camera, pose, self._ground_settings())
        if self._view is None:
            raise NotYet
        return build.frame

    def _ground_settings(self) -> GroundSettings:
        if self._ground is None:
            settings = self.settings
            costs = load_costs(self.spec.classes, settings.label_groups, settings.ground_costs)
            self._ground = GroundSettings(
                settings.grid_shape(), settings.scan_shape(), costs, settings.ground_z, settings.ground_confidence
            )
        return self._ground

    def _publish(self, frame: LabelledFrame, view: GroundView) -> None:
        settings, stamp, name = view.settings, frame.header.stamp, self.settings.ground_frame
        view.look(frame.labels, frame.confidence if settings.confidence else None)
        if self.subscribed("grid"):
            grid = settings.grid
            self.send(
                "grid", encode_grid(stamp, name, view.cells(), grid.resolution, (grid.x, grid.y, settings.ground))
            )
        if self.subscribed("scan"):
            scan = settings.scan
            angles, limits = (scan.angle_min, scan.step), (scan.range_min, scan.range_max)
            self.send("scan", encode_scan(stamp, name, view.ranges(), angles, limits))
        self._check(frame, view)

    def _check(self, frame: LabelledFrame, view: GroundView) -> None:
        """Doubt the pose where the labels contradict it."""
        shares, scan = view.shares(frame.labels), view.settings.scan
        self._doubt += (shares.above - self._doubt) * (0.2 if self.figures else 1.0)
        self.figures = {
            "ground_share": f"{shares.ground:.2f}",
            "ground_above_horizon": f"{self._doubt:.2f}",
            "ground_seen_m": f"{view.range_seen:.1f}",
        }
        self.warning = ""
        if self._doubt > ABOVE:
            self.warning = (
                "the horizon of the camera's pose lies inside the road (ground_above_horizon): correct the transform, "
                "or camera_height and camera_pitch; icnet calibrate-ground draws them"
            )
        elif self.subscribed("scan") and view.range_seen < 0.9 * scan.range_max:
            self.warning = (
                f"the camera sees the ground out to {view.range_seen:.1f} m only: beams without an obstacle are NaN; "
                "set scan_range_max to less"
            )


class _Build:
    """Tables for a frame, computed on a thread of their own: labels do not wait for them."""

    def __init__(self, frame: LabelledFrame, camera: GroundCamera, pose: Floats, settings: GroundSettings) -> None:
        self.frame, self.view, self.error = frame, None, None
        self._camera, self._pose, self._settings = camera, pose, settings
        self.thread = threading.Thread(target=self._run, name="ground tables", daemon=True)
        self.thread.start()

    frame: LabelledFrame
    view: GroundView | None
    error: Exception | None

    def _run(self) -> None:
        try:
            view = GroundView(self._camera, self._pose, self._settings)
            view.look(self.frame.labels)  # loads the kernels, too
            view.cells()
            view.ranges()
        except Exception as err:
            self.error = err
        else:
            self.view = view

    def is_for(self, camera: GroundCamera, pose: Floats) -> bool:
        """Whether it is for this camera and pose."""
        return camera == self._camera and nearly_equal(pose, self._pose)
