"""~/overlay: the image with the class colours over it, raw and as JPEG."""

from sensor_msgs.msg import CompressedImage, Image

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.render.painter import Painter
from icnet_ros.wire.image import encode_image, encode_jpeg


class Overlay(Output):
    """Overlays, with parameter publish_overlay."""

    topics = (
        Topic("overlay", Image, "sensor_msgs/Image `bgr8`: the image with the class colours over it"),
        Topic("overlay/compressed", CompressedImage, "sensor_msgs/CompressedImage: the same as JPEG"),
    )

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self._painter = Painter.for_network(spec.classes.colours, trained=spec.trained)

    def enabled(self, settings: Parameters) -> bool:
        """See Output."""
        return settings.publish_overlay

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        overlay = self._painter.overlay(frame.bgr, frame.labels, frame.settings.overlay_alpha)
        if self.subscribed("overlay"):
            self.send("overlay", encode_image(frame.header, overlay, "bgr8"))
        if self.subscribed("overlay/compressed"):
            self.send("overlay/compressed", encode_jpeg(frame.header, overlay, frame.settings.jpeg_quality))
