"""~/cloud: a LiDAR cloud with the labels of the pixels that its points fall on."""

from time import perf_counter

from sensor_msgs.msg import PointCloud2

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame, NotYet
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.outputs.camera_info import for_size, not_rectified, rectified_matrix
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.calibration import check_view
from icnet_ros.wire.lidar import label_cloud

QUIET_S = 2.0  # images without a cloud are reported if there was none for so long
NO_CLOUD = "no cloud or CameraInfo for this image; are their topics and stamps right?"


class Cloud(Output):
    """Each cloud with the labels of the image that is nearest to it."""

    content = "sensor_msgs/PointCloud2: an incoming cloud with label and confidence, [LiDAR](integrations.md#lidar)"
    topics = (Topic("cloud", PointCloud2, content),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=True, camera_info=True, cloud=True)
        self._last, self._error = perf_counter(), NO_CLOUD

    def reset(self) -> None:
        """See Output."""
        self._last, self._error, self.warning = perf_counter(), NO_CLOUD, ""

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. A LiDAR is slower than a camera: most images have no cloud."""
        try:
            published = self._publish_nearest(frame)
        except ValueError as err:
            self._error = str(err)
            if perf_counter() - self._last <= QUIET_S:  # /tf and CameraInfo come a little after the first frame
                raise NotYet from None
            raise
        if published:
            self._last, self._error = perf_counter(), NO_CLOUD
        elif perf_counter() - self._last > QUIET_S:
            raise ValueError(self._error)
        else:
            raise NotYet

    def _publish_nearest(self, frame: LabelledFrame) -> bool:
        """Publish the cloud that belongs to this image, if there is one.

        Raises ValueError if the camera is not calibrated, or its CameraInfo not that of the image.
        """
        found, info = frame.inputs.cloud_at(frame.stamp, str(frame.header.frame_id)), frame.inputs.info
        if found is None or info is None:
            return False
        cloud, to_camera = found
        check_view(info, *frame.picture.pixels.shape[:2])
        info = for_size(info, cloud.header, *frame.labels.shape)
        k = rectified_matrix(info)
        self.warning = not_rectified(info, frame, self.settings.ground_image)
        ignore = self.spec.classes.ignore
        self.send("cloud", label_cloud(cloud, to_camera, k, frame.labels, frame.confidence, ignore))
        return True
