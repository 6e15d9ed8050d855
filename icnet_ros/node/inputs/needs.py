"""What outputs need of a frame beside image and labels, and what was received of that."""

from dataclasses import dataclass
from typing import Protocol

from sensor_msgs.msg import CameraInfo

from icnet_ros.wire.cdr import Header
from icnet_ros.wire.cloud import Depth
from icnet_ros.wire.lidar import Cloud, Matrix


@dataclass(frozen=True)
class Needs:
    """Every output states its own. The node subscribes to their union, and requests it from the engine.

    confidence: the confidence map. scores: ids of the classes whose probabilities it needs. camera_info: CameraInfo of
    the camera. depth: depth image with its CameraInfo. cloud: LiDAR cloud with its transform to the camera.
    """

    confidence: bool = False
    scores: tuple[int, ...] = ()
    camera_info: bool = False
    depth: bool = False
    cloud: bool = False

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(
            self.confidence or other.confidence,
            tuple(dict.fromkeys((*self.scores, *other.scores))),
            self.camera_info or other.camera_info,
            self.depth or other.depth,
            self.cloud or other.cloud,
        )


class ReceivedInputs(Protocol):
    """What came beside the images, as far as it was needed. Stamps are in ns since the epoch.

    info, depth_info: CameraInfo of the camera, of the depth image; None if none came. tolerance_s: by which stamps may
    differ from that of the image. image_topic: of the images.
    """

    info: CameraInfo | None
    depth_info: CameraInfo | None
    tolerance_s: float
    image_topic: str

    def depth_at(self, stamp: int) -> tuple[Header, Depth] | None:
        """Header and metres (H, W) of the nearest depth image, None if none is near enough. Raises WireError."""

    def may_come_nearer(self, stamp: int) -> bool:
        """Whether a depth image nearer to `stamp` may follow."""

    def cloud_at(self, stamp: int, camera_frame: str) -> tuple[Cloud, Matrix] | None:
        """The nearest cloud, once, and its transform (4, 4) to the camera; None if none is near. Raises ValueError."""

    def camera_in(self, frame: str, stamp: int, camera_frame: str) -> Matrix:
        """Transform (4, 4) from the camera's frame to `frame` at `stamp`, from tf2. Raises ValueError."""
