"""~/confidence: probability of each pixel's class."""

from sensor_msgs.msg import Image

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.image import encode_image


class Confidence(Output):
    """The confidence map, with parameter publish_confidence."""

    content = "sensor_msgs/Image `mono8`: 0..255 is probability 0..1 of the class in `~/labels`"
    topics = (Topic("confidence", Image, content),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=True)

    def enabled(self, settings: Parameters) -> bool:
        """See Output."""
        return settings.publish_confidence

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        self.send("confidence", encode_image(frame.header, frame.confidence, "mono8"))
