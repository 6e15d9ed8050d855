"""Pose of a recorded camera above the ground, from the transforms of its bag."""

import numpy as np

from icnet_ros.ground.camera import Floats
from icnet_ros.ground.errors import GroundError
from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import deserialise
from icnet_ros.wire.lidar import parse_transform

TRANSFORMS = "tf2_msgs/msg/TFMessage"
Transforms = dict[str, tuple[str, Floats]]  # by child frame: its parent, and the child's pose in it, (4, 4)


def recorded_pose(bag: Bag, frame: str, ground_frame: str) -> Floats:
    """Pose (4, 4) of the camera's frame in the ground frame, by the transforms on /tf_static.

    Raises GroundError if they do not connect the two.
    """
    found: Transforms = {}
    for topic in bag.topics():
        if topic.kind == TRANSFORMS and topic.name.endswith("tf_static"):
            for message in bag.messages(topic.name):
                _add(found, message.content())
    camera, ground = _ancestors(found, frame.strip("/")), _ancestors(found, ground_frame)
    shared = next((ancestor for ancestor in camera if ancestor in ground), None)
    if shared is None:
        known = ", ".join(sorted({*found, *(parent for parent, _ in found.values())})) or "none"
        raise GroundError(
            f"{bag.path}: /tf_static does not connect the camera's frame {frame!r} with {ground_frame!r} (frames: "
            f"{known}): give --camera-height and --camera-pitch, or another --ground-frame"
        )
    return np.linalg.inv(ground[shared]) @ camera[shared]


def _add(found: Transforms, content: bytes | memoryview) -> None:
    for stamped in deserialise(content, TRANSFORMS).transforms:
        p, q = stamped.transform.translation, stamped.transform.rotation
        try:
            pose = parse_transform(f"{p.x} {p.y} {p.z} {q.x} {q.y} {q.z} {q.w}")
        except ValueError as err:
            raise GroundError(f"/tf_static, {stamped.child_frame_id}: {err}") from err
        found[stamped.child_frame_id.strip("/")] = stamped.header.frame_id.strip("/"), pose


def _ancestors(found: Transforms, frame: str) -> dict[str, Floats]:
    """The frame and all above it, with the frame's pose in each."""
    poses, pose = {frame: np.eye(4)}, np.eye(4)
    while frame in found:
        frame, step = found[frame]
        if frame in poses:  # a loop
            break
        pose = step @ pose
        poses[frame] = pose
    return poses
