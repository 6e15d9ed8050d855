"""Poses of cameras above the ground: (4, 4) matrices from the optical frame (z ahead, y down) to the ground frame."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Optical frame (x right, y down, z ahead) -> body frame (x ahead, y left, z up), REP 103.
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def pose_of(
    height: float, pitch: float = 0.0, roll: float = 0.0, yaw: float = 0.0, x: float = 0.0, y: float = 0.0
) -> Floats:
    """Pose (4, 4) of a camera `height` metres above the ground. Angles in degrees, right-handed about body axes.

    pitch: how far it looks down. roll: how far it leans to its right. yaw: how far it looks to the left. x, y: where it
    is in the ground frame.
    """
    a, b, c = (math.radians(one) for one in (roll, pitch, yaw))
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = about_z @ about_y @ about_x @ OPTICAL
    pose[:3, 3] = x, y, height
    return pose


def pitch_of(pose: Floats) -> float:
    """Degrees by which a camera of this pose looks down."""
    return math.degrees(math.asin(float(np.clip(-pose[2, 2], -1, 1))))


def nearly_equal(one: Floats, other: Floats) -> bool:
    """Whether poses differ by less than 3 mm and 0.02 degrees, which is a few cm of ground at 10 m for most cameras."""
    return bool(np.abs(one[:3, 3] - other[:3, 3]).max() < 0.003 and np.abs(one[:3, :3] - other[:3, :3]).max() < 0.0003)
