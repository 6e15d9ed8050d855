"""Whether a CameraInfo can be the calibration of a camera, and which pixels of the sensor an image shows.

A CameraInfo describes the whole sensor; the delivered image is its region of interest divided by the binning (REP 104).
"""

from collections.abc import Sequence
from copy import copy
from typing import Protocol, TypeVar

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
    distortion_model: str
    d: Sequence[float]
    k: Sequence[float]
    r: Sequence[float]
    p: Sequence[float]
    binning_x: int
    binning_y: int
    roi: Region


Info = TypeVar("Info", bound=CameraInfo)


def delivered(info: CameraInfo, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the delivered image; those given where the driver left them at 0."""
    rows, columns = info.roi.height or info.height, info.roi.width or info.width
    return rows // (info.binning_y or 1) or height, columns // (info.binning_x or 1) or width


def with_size(info: Info, height: int, width: int) -> Info:
    """`info`; where the driver left the size at 0, a copy that has the size of its image of height x width pixels."""
    if info.height and info.width:
        return info
    result, roi = copy(info), info.roi
    result.height = max(height * (info.binning_y or 1), roi.y_offset + roi.height)
    result.width = max(width * (info.binning_x or 1), roi.x_offset + roi.width)
    return result


def check_view(info: CameraInfo, height: int, width: int) -> None:
    """Raise ValueError if `info` cannot be that of an image of height x width pixels: its sides have another ratio.

    An image that was only resized has the ratio of its camera. Also raised for a CameraInfo that no camera has.
    """
    check_calibration(info)
    rows, columns = delivered(info, height, width)
    # A side may be rounded by a pixel.
    if abs(rows * width - columns * height) > max(rows, columns, height, width):
        raise ValueError(
            f"the CameraInfo is of a view of {columns}x{rows}, the image has {width}x{height}: it is of another camera "
            "or resolution, or the image was cropped"
        )


def for_pixels(matrix: Matrix, info: CameraInfo, height: int, width: int) -> Matrix:
    """K (3, 3) or P (3, 4) of `info` for an image that shows the delivered view with height x width pixels.

    A matrix of zeros, of an uncalibrated camera, stays one.
    """
    rows, columns = delivered(info, height, width)
    result: Matrix = np.array(matrix, np.float64)
    if result[0, 0]:
        result[0, 2] -= info.roi.x_offset
        result[1, 2] -= info.roi.y_offset
    result[0] *= width / columns / (info.binning_x or 1)
    result[1] *= height / rows / (info.binning_y or 1)
    return result


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
