"""~/coverage: how much of the image each class covers."""

import numpy as np
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.parameters import Parameters

SURE = 0.5  # pixels of a lower probability count for no class


class Coverage(Output):
    """Share of the pixels of each class, 0..1, by class id; uncertain pixels are left out."""

    topics = (Topic("coverage", Float32MultiArray, "std_msgs/Float32MultiArray: share of the pixels of each class"),)

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(confidence=True)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. Raises ValueError if no pixel is certain."""
        certain = frame.labels[frame.confidence >= 255 * SURE]
        if not certain.size:
            raise ValueError(f"no pixel has a probability of {SURE} or more")
        share = np.bincount(certain, minlength=256)[: len(self.spec.classes)] / frame.labels.size
        message = Float32MultiArray(data=share.astype(np.float32).tolist())
        message.layout.dim = [MultiArrayDimension(label="class", size=len(share), stride=len(share))]
        self.send("coverage", message)
