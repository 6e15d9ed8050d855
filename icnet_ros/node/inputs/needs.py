"""What outputs need of a frame, beside image and labels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """Each output states its own; their union is what is subscribed to, and what the engine is asked for.

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
