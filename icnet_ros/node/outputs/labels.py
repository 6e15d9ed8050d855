"""~/labels: class ids, raw and as PNG."""

from typing import ClassVar

from sensor_msgs.msg import CompressedImage, Image

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.image import encode_image, encode_png


class Labels(Output):
    """The label image of every frame."""

    topics = (Topic("labels", Image, "sensor_msgs/Image `mono8`: class id per pixel, `step == width`"),)
    always: ClassVar[bool] = True

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=settings.confidence_threshold > 0)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. Pixels below the confidence threshold become unlabelled, here and in all later outputs."""
        confidence, threshold = frame.label_map.confidence, frame.settings.confidence_threshold
        if threshold and confidence is not None:
            frame.labels[confidence < 255 * threshold] = self.spec.classes.ignore
        self.send("labels", encode_image(frame.header, frame.labels, "mono8"))


class CompressedLabels(Output):
    """The label image as PNG."""

    content = "sensor_msgs/CompressedImage: the same as PNG, `mono8; png compressed mono8`"
    topics = (Topic("labels/compressed", CompressedImage, content),)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        self.send("labels/compressed", encode_png(frame.header, frame.labels))
