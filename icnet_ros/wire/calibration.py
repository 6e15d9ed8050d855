"""Whether a CameraInfo can be the calibration of a camera."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
ROTATION_TOLERANCE = 1e-3  # drivers write R with few digits
FOCAL_RATIO = 10.0  # most by which rectification changes a focal length


class Region(Protocol):
    """sensor_msgs/RegionOfInterest."""

    x_offset: int
    y_offset: int
    width: int
    height: int


class CameraInfo(Protocol):
    """sensor_msgs/CameraInfo, of rosbags or of rclpy."""

    width: int
    height: int
    d: Sequence[float]
    k: Sequence[float]
    r: Sequence[float]
    p: Sequence[float]
    roi: Region


def check_calibration(info: CameraInfo) -> None:
    """Raise ValueError that names the field of `info` which no calibrated or uncalibrated camera has.

    A camera whose K, R or P is 0 throughout has none: K and P are 0 if it is not calibrated, and some drivers leave
    R or P at 0.
    """
    values = {name: np.array(getattr(info, name.lower()), np.float64) for name in "DKRP"}
    for name, value in values.items():
        if not np.isfinite(value).all():
            place = int(np.flatnonzero(~np.isfinite(value))[0])
            raise _error(f"{name}[{place}] is {value[place]}, not a finite number")
    with np.errstate(all="ignore"):  # products of large numbers overflow; the comparisons then refuse them
        _check_matrices(values["K"].reshape(3, 3), values["R"].reshape(3, 3), values["P"].reshape(3, 4))
    for side, offset, size in (("width", "x_offset", info.width), ("height", "y_offset", info.height)):
        end = getattr(info.roi, offset) + getattr(info.roi, side)
        if size and end > size:
            raise _error(f"roi ends at {end}, {side} is {size}")


def _check_matrices(k: Matrix, r: Matrix, p: Matrix) -> None:
    if k.any():
        _check_matrix("K", k)
    if r.any() and not (np.abs(r @ r.T - np.eye(3)).max() < ROTATION_TOLERANCE and np.linalg.det(r) > 0):
        raise _error(f"R is no rotation: {np.round(r, 4).tolist()}")
    if p.any():
        _check_matrix("P", p[:, :3])
        if p[2, 3]:
            raise _error(f"P[11] is {p[2, 3]:g}, it must be 0")
    if k.any() and p.any():
        for axis, (one, other) in enumerate((("K[0]", "P[0]"), ("K[4]", "P[5]"))):
            ratio = p[axis, axis] / k[axis, axis]
            if not 1 / FOCAL_RATIO < ratio < FOCAL_RATIO:
                raise _error(
                    f"{one} is {k[axis, axis]:g} and {other} {p[axis, axis]:g}: K and P are of different cameras"
                )


def _check_matrix(name: str, matrix: Matrix) -> None:
    columns = 3 if name == "K" else 4
    for axis in (0, 1):
        if not matrix[axis, axis] > 0:
            place = axis * columns + axis
            raise _error(f"{name}[{place}] is {matrix[axis, axis]:g}, a focal length must be positive")
    if matrix[1, 0] or not np.array_equal(matrix[2], (0, 0, 1)):
        raise _error(
            f"{name} is no camera matrix: its last row is {matrix[2].tolist()}, its second {matrix[1].tolist()}"
        )


def _error(problem: str) -> ValueError:
    return ValueError(f"the CameraInfo is invalid: {problem}; correct the camera's calibration file or its driver")
