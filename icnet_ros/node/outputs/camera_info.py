"""~/camera_info: CameraInfo of the label images."""

import math
from copy import deepcopy

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.ground.camera import lens_shift
from icnet_ros.ground.errors import GroundError
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.calibration import check_calibration, check_view, delivered, for_pixels
from icnet_ros.wire.cdr import Header

MIN_SHIFT = 3.0  # pixels of the labels, which the lens moves points by if it is said that images are raw


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
    if (height, width) == delivered(info, height, width):
        return _stamped(info, header)
    return for_size(info, header, height, width)


def for_size(info: CameraInfo, header: Header, height: int, width: int) -> CameraInfo:
    """The camera for an image that shows the delivered view with height x width pixels; stamp and frame of `header`.

    K and P are those of these pixels: without binning and region of interest, which are empty in the result. The
    distortion stays. An uncalibrated camera (K is 0) stays uncalibrated.
    """
    result = _stamped(info, header)
    result.k = for_pixels(np.reshape(info.k, (3, 3)), info, height, width).reshape(-1)
    result.p = for_pixels(np.reshape(info.p, (3, 4)), info, height, width).reshape(-1)
    result.height, result.width = height, width
    result.binning_x = result.binning_y = 0
    result.roi = RegionOfInterest(do_rectify=info.roi.do_rectify)
    return result


def not_rectified(info: CameraInfo, frame: LabelledFrame, ground_image: str) -> str:
    """Why points are put on the wrong pixels of an image that seems to be raw, "" if they are not.

    info: of an image of the size of the labels, see `for_size`. ground_image: the parameter.
    """
    topic, size = frame.inputs.image_topic, frame.labels.shape
    if ground_image == "rectified" or (ground_image == "auto" and "rect" in topic.lower()) or not any(info.d):
        return ""
    try:
        shift = lens_shift(info, size, size)
    except GroundError:  # of an unknown model
        shift = math.inf
    if shift < MIN_SHIFT:
        return ""
    pixels = f"up to {shift:.0f} pixels" if shift < math.inf else "an unknown distance"
    return (
        f"{topic} seems to be raw, and points are put where a rectified image has them, {pixels} beside: subscribe to "
        "rectified images (image_proc), or set ground_image to rectified if they are"
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
