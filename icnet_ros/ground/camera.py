"""Which pixel of a label map shows a point in front of the camera, with the distortion models of CameraInfo."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.ground.errors import GroundError
from icnet_ros.wire.calibration import CameraInfo, check_view, for_pixels

Floats = npt.NDArray[np.float64]
NONE, PINHOLE, FISHEYE = "", "pinhole", "equidistant"
# distortion_model of sensor_msgs/CameraInfo -> the functions of OpenCV that know it, numbers in D
MODELS = {"plumb_bob": (PINHOLE, (4, 5)), "rational_polynomial": (PINHOLE, (8, 12, 14)), "equidistant": (FISHEYE, (4,))}
MAX_RADIUS = 20.0  # of a normalised image point, tan of the angle to the axis


@dataclass(frozen=True)
class GroundCamera:
    """A camera at the size of its label maps; hashable, so that what was computed for it can be looked up.

    focal, centre: (x, y) in pixels; the centre of the first pixel is 0, 0. model: NONE, PINHOLE or FISHEYE, how
    `distortion` (D) is meant. rotation: R of CameraInfo row by row, from the raw camera's frame to that of tf; () for
    none. radius: largest distance from the axis (tan of the angle) up to which the distortion is invertible.
    """

    height: int
    width: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    model: str = NONE
    distortion: tuple[float, ...] = ()
    rotation: tuple[float, ...] = ()
    radius: float = MAX_RADIUS

    @property
    def matrix(self) -> Floats:
        """K (3, 3)."""
        return np.array([[self.focal[0], 0, self.centre[0]], [0, self.focal[1], self.centre[1]], [0, 0, 1]])

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Columns and rows (n,) of points (n, 3) in the camera's optical frame; NaN for those that it cannot image."""
        if self.rotation:
            points = points @ np.reshape(self.rotation, (3, 3))  # the inverse of R, as rows
        x, y, z = points.T
        ahead = z > 1e-6
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = x / z, y / z
            ahead &= np.hypot(x, y) < self.radius
        u, v = np.full(len(points), np.nan), np.full(len(points), np.nan)
        flat = np.stack([x[ahead], y[ahead]], -1)
        if self.model != NONE and len(flat):
            flat = self._distorted(flat)
        u[ahead] = self.focal[0] * flat[:, 0] + self.centre[0]
        v[ahead] = self.focal[1] * flat[:, 1] + self.centre[1]
        return u, v

    def rays(self, columns: Floats, rows: Floats) -> Floats:
        """Directions (n, 3) in the optical frame, z = 1 before the rotation, of these pixels (n,)."""
        pixels = np.stack([columns, rows], -1)[:, None].astype(np.float64)
        if self.model == FISHEYE:
            flat = cv2.fisheye.undistortPoints(pixels, self.matrix, np.array(self.distortion))[:, 0]
        elif self.model == PINHOLE:
            flat = cv2.undistortPoints(pixels, self.matrix, np.array(self.distortion))[:, 0]
        else:
            flat = (pixels[:, 0] - self.centre) / self.focal
        rays: Floats = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
        return rays @ np.reshape(self.rotation, (3, 3)).T if self.rotation else rays

    def _distorted(self, flat: Floats) -> Floats:
        """Normalised points (n, 2) where the lens puts them."""
        points = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)[:, None]
        zero, identity = np.zeros((3, 1)), np.eye(3)
        if self.model == FISHEYE:
            found, _ = cv2.fisheye.projectPoints(points, zero, zero, identity, np.array(self.distortion))
        else:
            found, _ = cv2.projectPoints(points, zero, zero, identity, np.array(self.distortion))
        bent: Floats = np.asarray(found, np.float64).reshape(-1, 2)
        return bent


def camera_of(
    info: CameraInfo, image_size: tuple[int, int], label_size: tuple[int, int], rectified: bool | None
) -> GroundCamera:
    """The camera of a CameraInfo, for label maps of `label_size`; sizes are (height, width).

    rectified: whether the image is, so that P holds for it instead of K, D and R; None: it is if D is 0. Raises
    ValueError if `info` is not that of the image, GroundError if the camera is not calibrated or its distortion is of
    an unknown model.
    """
    check_view(info, *image_size)
    distortion = tuple(float(one) for one in info.d)
    if rectified is None:
        rectified = not any(distortion)
    k, p = (
        for_pixels(np.reshape(one, shape), info, *label_size) for one, shape in ((info.k, (3, 3)), (info.p, (3, 4)))
    )
    matrix = p if rectified and p[0, 0] else k
    if not matrix[0, 0] or not matrix[1, 1]:
        raise GroundError(
            "the camera is not calibrated (K and P of its CameraInfo are 0): calibrate it, for example with "
            "`ros2 run camera_calibration cameracalibrator`"
        )
    focal, centre = (float(matrix[0, 0]), float(matrix[1, 1])), (float(matrix[0, 2]), float(matrix[1, 2]))
    if rectified:
        return GroundCamera(*label_size, focal, centre)
    rotation = tuple(float(one) for one in info.r)
    rotation = rotation if any(rotation) and not np.allclose(rotation, np.eye(3).reshape(-1)) else ()
    if not any(distortion):
        return GroundCamera(*label_size, focal, centre, rotation=rotation)
    known = MODELS.get(info.distortion_model)
    if known is None:
        raise GroundError(
            f"the distortion model {info.distortion_model!r} of the CameraInfo is none of {', '.join(MODELS)}: "
            "subscribe to rectified images (image_proc) and set ground_image to rectified"
        )
    model, counts = known
    if len(distortion) not in counts:
        raise GroundError(
            f"D of the CameraInfo has {len(distortion)} numbers, {info.distortion_model} takes "
            f"{' or '.join(map(str, counts))}: correct the camera's calibration file"
        )
    camera = GroundCamera(*label_size, focal, centre, model, distortion, rotation)
    return replace(camera, radius=_invertible_radius(camera))


def lens_shift(info: CameraInfo, image_size: tuple[int, int], label_size: tuple[int, int]) -> float:
    """How far the lens moves points in a raw image from where P (or K) puts them: the most, in pixels of the labels.

    Sizes and errors as of `camera_of`. Points that the lens puts outside of the image do not count.
    """
    flat = camera_of(info, image_size, label_size, rectified=True)
    lens = camera_of(info, image_size, label_size, rectified=False)
    across, down = np.linspace(0, flat.width - 1, 17), np.linspace(0, flat.height - 1, 13)
    columns, rows = (one.reshape(-1) for one in np.meshgrid(across, down))
    u, v = lens.project(flat.rays(columns, rows))
    with np.errstate(invalid="ignore"):
        shown = (u >= 0) & (u < flat.width) & (v >= 0) & (v < flat.height)
    return float(np.hypot(u - columns, v - rows)[shown].max(initial=0.0))


@lru_cache(maxsize=32)  # a camera is read for each frame
def _invertible_radius(camera: GroundCamera) -> float:
    """Distance from the axis (tan of the angle) from which on the distortion polynomial folds the image back."""
    angles = np.linspace(0, np.arctan(MAX_RADIUS), 2000)
    radii = np.tan(angles)
    bent = [camera._distorted(np.stack([radii * x, radii * y], -1)) for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]  # noqa: SLF001
    limits = [radii[-1]]
    for one in bent:
        falls = np.flatnonzero(~(np.diff(np.hypot(*one.T)) > 0))
        limits += [radii[falls[0]]] if len(falls) else []
    return float(min(limits))
