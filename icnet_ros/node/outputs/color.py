"""~/color: the classes in their colours."""

import cv2
import numpy as np
from sensor_msgs.msg import Image

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.render.painter import Painter
from icnet_ros.wire.image import encode_image


class Color(Output):
    """The label image as colours, for viewers."""

    topics = (Topic("color", Image, "sensor_msgs/Image `rgb8`: the classes in their colours"),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self._painter = Painter.for_network(spec.classes.colours, trained=spec.trained)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        rgb = np.asarray(cv2.cvtColor(self._painter.colour(frame.labels), cv2.COLOR_BGR2RGB))
        self.send("color", encode_image(frame.header, rgb, "rgb8"))
