"""~/labels: class ids, raw and as PNG."""

import logging
from typing import ClassVar

from sensor_msgs.msg import CompressedImage, Image

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.image import encode_image, encode_png

log = logging.getLogger(__name__)


class Labels(Output):
    """The label image of every frame."""

    topics = (Topic("labels", Image, "sensor_msgs/Image `mono8`: class id per pixel, `step == width`"),)
    always: ClassVar[bool] = True

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=settings.confidence_threshold > 0)
        self._failed = False

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. Pixels below the confidence threshold become unlabelled, here and in all later outputs."""
        confidence, threshold = frame.label_map.confidence, frame.settings.confidence_threshold
        if threshold and confidence is not None:
            frame.labels[confidence < 255 * threshold] = self.spec.classes.ignore
        message = None if threshold else self._on_device(frame)
        self.send("labels", message or encode_image(frame.header, frame.labels, "mono8"))

    def _on_device(self, frame: LabelledFrame) -> Image | None:
        """The message with its data in the memory that the image came in, None if the labels are not there."""
        source, labels = frame.decoded.received.data, frame.label_map.device
        if not isinstance(source, DeviceImage) or labels is None or self._failed:
            return None
        try:
            return source.labels(labels)
        except Exception as err:  # a library of somebody else
            self._failed = True
            log.warning("labels are published from the CPU's memory: %s: %s", type(err).__name__, err)
            return None


class CompressedLabels(Output):
    """The label image as PNG."""

    content = "sensor_msgs/CompressedImage: the same as PNG, `mono8; png compressed mono8`"
    topics = (Topic("labels/compressed", CompressedImage, content),)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        self.send("labels/compressed", encode_png(frame.header, frame.labels))
