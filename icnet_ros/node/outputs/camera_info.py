"""CameraInfo of label images whose size differs from the camera's."""

from copy import deepcopy
from typing import Any

from sensor_msgs.msg import CameraInfo


def scaled(info: CameraInfo, header: Any, height: int, width: int) -> CameraInfo:
    """`info` for an image that shows the same view with height x width pixels; stamp and frame of `header`.

    K, P and the region of interest are scaled by the ratio of the sizes, as image_proc's resize node does; binning and
    distortion stay, as they refer to the sensor (REP 104). An uncalibrated camera (K is 0) stays uncalibrated.
    """
    result = deepcopy(info)
    result.header.stamp.sec, result.header.stamp.nanosec = header.stamp.sec, header.stamp.nanosec
    result.header.frame_id = header.frame_id
    across, down = width / (info.width or width), height / (info.height or height)
    result.height, result.width = height, width
    for matrix, columns in ((result.k, 3), (result.p, 4)):
        for column in range(columns):
            matrix[column] *= across
            matrix[columns + column] *= down
    roi = result.roi
    roi.x_offset, roi.width = round(roi.x_offset * across), round(roi.width * across)
    roi.y_offset, roi.height = round(roi.y_offset * down), round(roi.height * down)
    return result
