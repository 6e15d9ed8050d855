"""The ground's metres drawn on a picture, so that people see whether a pose is right."""

from itertools import pairwise

import cv2
import numpy as np

from icnet_ros.ground.arrays import UInt8
from icnet_ros.ground.camera import Floats, GroundCamera

FONT = cv2.FONT_HERSHEY_SIMPLEX
DISTANCES = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)  # metres ahead of the camera
SIDES = range(-5, 6)  # metres to the left
NEAR, FAR = 0.3, 60.0


def draw_ground(bgr: UInt8, camera: GroundCamera, pose: Floats, ground: float = 0.0) -> UInt8:
    """The picture (H, W, 3), at the camera's size, with lines across at DISTANCES, along at SIDES, and the horizon.

    Distances are from the point below the camera, along the direction that it looks in.
    """
    picture: UInt8 = bgr.copy()
    thick = max(1, bgr.shape[1] // 640)
    ahead = pose[:2, 2] / max(1e-9, float(np.hypot(*pose[:2, 2])))
    left = np.array([-ahead[1], ahead[0]])

    def on_ground(forward: Floats, sideways: Floats) -> Floats:
        flat = pose[:2, 3] + forward[:, None] * ahead + sideways[:, None] * left
        return np.concatenate([flat, np.full((len(flat), 1), ground)], axis=1)

    along = np.geomspace(NEAR, FAR, 200)
    for side in SIDES:
        colour = (255, 255, 255) if side == 0 else (255, 200, 80)
        _draw(picture, _pixels(camera, pose, on_ground(along, np.full(200, float(side)))), colour, thick)
    written = np.inf
    across = np.linspace(min(SIDES), max(SIDES), 80)
    for distance in DISTANCES:
        points = _pixels(camera, pose, on_ground(np.full(80, float(distance)), across))
        _draw(picture, points, (80, 220, 255), thick * (2 if distance in (5, 10, 20) else 1))
        u, v = points[40]
        if 0 <= u < camera.width and 0 <= v < camera.height and np.abs(written - v) > 16 * thick:
            written = v
            for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
                place = (round(u) + 6, round(v) - 4)
                cv2.putText(picture, f"{distance} m", place, FONT, 0.5 * thick, colour, width * thick, cv2.LINE_AA)
    angles = np.linspace(-1.4, 1.4, 200)
    directions = np.cos(angles)[:, None] * ahead + np.sin(angles)[:, None] * left
    horizon = pose[:3, 3] + 1e6 * np.concatenate([directions, np.zeros((200, 1))], axis=1)
    _draw(picture, _pixels(camera, pose, horizon), (60, 60, 255), 2 * thick)
    return picture


def metres_per_row(camera: GroundCamera, pose: Floats, distance: float, ground: float = 0.0) -> float:
    """Metres of ground that a row of pixels spans, `distance` ahead of the camera; NaN where it does not see it."""
    ahead = pose[:2, 2] / max(1e-9, float(np.hypot(*pose[:2, 2])))
    step = distance * 1e-3
    points = [[*(pose[:2, 3] + one * ahead), ground] for one in (distance - step, distance + step)]
    (u, v), (other_u, other_v) = _pixels(camera, pose, np.array(points))
    if not (0 <= u < camera.width and 0 <= v < camera.height):
        return float("nan")
    return float(2 * step / np.hypot(other_u - u, other_v - v))


def _pixels(camera: GroundCamera, pose: Floats, points: Floats) -> Floats:
    return np.stack(camera.project((points - pose[:3, 3]) @ pose[:3, :3]), -1)


def _draw(picture: UInt8, points: Floats, colour: tuple[int, int, int], thick: int) -> None:
    """A line through those of the points (n, 2) that are near the picture."""
    limit = 4 * max(picture.shape[:2])
    for one, other in pairwise(points):
        if np.isfinite([*one, *other]).all() and np.abs([*one, *other]).max() < limit:
            start, end = (tuple(int(value) for value in np.rint(point)) for point in (one, other))
            cv2.line(picture, start, end, colour, thick, cv2.LINE_AA)
