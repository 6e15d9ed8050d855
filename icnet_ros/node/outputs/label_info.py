"""~/label_info: the class table."""

from vision_msgs.msg import LabelInfo as LabelInfoMessage
from vision_msgs.msg import VisionClass

from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.outputs.base import LATCHED, Output, Stamped, Topic


class LabelInfo(Output):
    """Ids and names of the classes; published while the node is inactive, too."""

    content = "vision_msgs/LabelInfo: class ids and names, 255 is unlabelled"
    topics = (Topic("label_info", LabelInfoMessage, content, LATCHED, latched=True),)

    def publish(self, frame: LabelledFrame) -> None:
        """See Output. Frames change nothing."""

    def latched(self, topic: str) -> Stamped:
        """See Output."""
        classes, settings = self.spec.classes, self.settings
        table = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(classes.names)]
        if settings.publish_unlabelled:
            table.append(VisionClass(class_id=classes.ignore, class_name="unlabelled"))
        info: Stamped = LabelInfoMessage(class_map=table, threshold=settings.confidence_threshold)
        return info
