"""~/points: a depth image as a labelled point cloud."""

from collections import deque

import numpy as np
from sensor_msgs.msg import PointCloud2

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame, NotYet, resized
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.outputs.camera_info import for_size, not_rectified, rectified_matrix
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.calibration import check_view
from icnet_ros.wire.cloud import encode_cloud

MAX_WAITING = 4  # labelled images that wait for a depth image


class Points(Output):
    """The depth image nearest to each image, or with the next image if the depth of its stamp is still to come."""

    content = "sensor_msgs/PointCloud2: x y z rgb label confidence, [from a depth image](integrations.md#points)"
    topics = (Topic("points", PointCloud2, content),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=True, depth=True)
        self.reset()

    def reset(self) -> None:
        """See Output."""
        self._waiting: deque[LabelledFrame] = deque(maxlen=MAX_WAITING)
        self.warning = ""

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        waiting, inputs = self._waiting, frame.inputs  # a jump of the clock puts another deque in its place
        waiting.append(frame)
        result: ValueError | NotYet | None = NotYet()
        while waiting:
            stamp = waiting[0].stamp
            soon = len(waiting) == 1 or 0 < frame.stamp - stamp <= 1e9 * inputs.tolerance_s
            if soon and inputs.may_come_nearer(stamp):
                break
            result = None
            try:
                self._publish_one(waiting.popleft())
            except (ValueError, NotYet) as err:
                result = err
        if result is not None:
            raise result

    def _publish_one(self, frame: LabelledFrame) -> None:
        """Raises ValueError if the depth image is not registered to the image, or differs from the labels in size."""
        found, info = frame.inputs.depth_at(frame.stamp), frame.inputs.depth_info
        if found is None or info is None:
            raise ValueError("no depth image or CameraInfo for this image; are their topics and stamps right?")
        header, depth = found
        (rows, columns), (height, width) = depth.shape, frame.labels.shape
        if header.frame_id != frame.header.frame_id:
            raise ValueError(
                f"the depth image has frame {header.frame_id!r}, the image {frame.header.frame_id!r}: it must be "
                "registered to the image"
            )
        if (rows, columns) != (height, width):
            raise ValueError(
                f"the depth image is {columns}x{rows}, the labels are {width}x{height}: set output_like to its topic"
            )
        confidence = frame.confidence
        check_view(info, rows, columns)
        info = for_size(info, frame.header, rows, columns)
        k = rectified_matrix(info)
        self.warning = not_rectified(info, frame, self.settings.ground_image)
        picture = frame.picture
        pixels = np.asarray(picture.pixels) if picture.order == "rgb" else picture.bgr()[..., ::-1]
        rgb = resized(pixels, depth.shape)
        self.send("points", encode_cloud(frame.header, depth, k, rgb, frame.labels, confidence))
