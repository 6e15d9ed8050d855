"""~/camera_info: CameraInfo of the label images.

A CameraInfo describes the whole sensor; the delivered image is its region of interest divided by the binning (REP 104).
"""

from copy import deepcopy

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.calibration import check_calibration
from icnet_ros.wire.cdr import Header


class LabelCameraInfo(Output):
    """CameraInfo of the camera for the size of the labels, with the header of the image."""

    topics = (Topic("camera_info", CameraInfo, "sensor_msgs/CameraInfo for the size of the labels"),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(camera_info=True)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. Raises ValueError if the CameraInfo is not that of the image."""
        info = frame.camera_info
        check_view(info, *frame.picture.pixels.shape[:2])
        self.send("camera_info", of_labels(info, frame.header, *frame.labels.shape))


def of_labels(info: CameraInfo, header: Header, height: int, width: int) -> CameraInfo:
    """`info` with stamp and frame of `header`; if the labels are not of the delivered image's size, also `for_size`."""
    if (height, width) == _delivered(info, height, width):
        return _stamped(info, header)
    return for_size(info, header, height, width)


def for_size(info: CameraInfo, header: Header, height: int, width: int) -> CameraInfo:
    """The camera for an image that shows the delivered view with height x width pixels; stamp and frame of `header`.

    K and P are those of these pixels: without binning and region of interest, which are empty in the result. The
    distortion stays. An uncalibrated camera (K is 0) stays uncalibrated.
    """
    result = _stamped(info, header)
    rows, columns = _delivered(info, height, width)
    across, down = width / columns / (info.binning_x or 1), height / rows / (info.binning_y or 1)
    for matrix, size in ((result.k, 3), (result.p, 4)):
        if matrix[0]:
            matrix[2] -= info.roi.x_offset
            matrix[size + 2] -= info.roi.y_offset
        for column in range(size):
            matrix[column] *= across
            matrix[size + column] *= down
    result.height, result.width = height, width
    result.binning_x = result.binning_y = 0
    result.roi = RegionOfInterest(do_rectify=info.roi.do_rectify)
    return result


def check_view(info: CameraInfo, height: int, width: int) -> None:
    """Raise ValueError if `info` cannot be that of an image of height x width pixels: its sides have another ratio.

    An image that was only resized has the ratio of its camera. Also raised for a CameraInfo that no camera has.
    """
    check_calibration(info)
    rows, columns = _delivered(info, height, width)
    # A side may be rounded by a pixel.
    if abs(rows * width - columns * height) > max(rows, columns, height, width):
        raise ValueError(
            f"the CameraInfo is of a view of {columns}x{rows}, the image has {width}x{height}: it is of another camera "
            "or resolution, or the image was cropped"
        )


def rectified_matrix(info: CameraInfo) -> npt.NDArray[np.float64]:
    """(9,) camera matrix of the rectified image: that of P, or K where P is not set. Raises ValueError if neither is.

    K is that of the raw image, and the pixels of a rectified one differ from it wherever P does. Also raised for a
    CameraInfo that no camera has.
    """
    check_calibration(info)
    matrix = (
        np.array(info.p, np.float64).reshape(3, 4)[:, :3].reshape(-1) if info.p[0] else np.array(info.k, np.float64)
    )
    if not matrix[0] or not matrix[4]:
        raise ValueError("the CameraInfo has no calibration (P and K are 0)")
    return matrix


def _stamped(info: CameraInfo, header: Header) -> CameraInfo:
    result = deepcopy(info)
    result.header.stamp.sec, result.header.stamp.nanosec = header.stamp.sec, header.stamp.nanosec
    result.header.frame_id = header.frame_id
    return result


def _delivered(info: CameraInfo, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the delivered image; those given where the driver left them at 0."""
    rows, columns = info.roi.height or info.height, info.roi.width or info.width
    return rows // (info.binning_y or 1) or height, columns // (info.binning_x or 1) or width
