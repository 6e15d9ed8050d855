"""~/scores: probabilities of chosen classes, and the names of the channels."""

from collections.abc import Sequence

from sensor_msgs.msg import Image

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import LATCHED, Output, Stamped, Topic
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.image import encode_image

try:
    from elevation_map_msgs.msg import ChannelInfo
except ImportError:
    from icnet_ros.msg import ChannelInfo  # has the same fields


class Scores(Output):
    """Probabilities of the classes in parameter score_classes, one channel each."""

    channels = "elevation_map_msgs/ChannelInfo where that is installed, else icnet_ros/ChannelInfo: their names"
    topics = (
        Topic("scores", Image, "sensor_msgs/Image `32FC(n)`: probabilities of `score_classes`"),
        Topic("scores/channels", ChannelInfo, channels, LATCHED, latched=True),
    )

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        super().__init__(spec, settings)
        self.needs = Needs(scores=score_channels(spec.classes, settings.score_classes))

    def publish(self, frame: LabelledFrame) -> None:
        """See Output."""
        scores = frame.scores(self.needs.scores)
        self.send("scores", encode_image(frame.header, scores, f"32FC{len(self.needs.scores)}"))

    def latched(self, topic: str) -> Stamped:
        """See Output."""
        info: Stamped = ChannelInfo(channels=[self.spec.classes.names[index] for index in self.needs.scores])
        return info


def score_channels(classes: ClassTable, wanted: Sequence[str]) -> tuple[int, ...]:
    """Ids of the classes that the channels of ~/scores hold; ("",) stands for all. Raises EngineError."""
    if tuple(wanted) == ("",):
        return tuple(range(len(classes)))
    if len(set(wanted)) < len(wanted):
        raise EngineError(f"score_classes: a class is listed twice: {', '.join(wanted)}")
    for name in wanted:
        if name not in classes.names:
            raise EngineError(f"score_classes: no class {name!r}; there are {', '.join(classes.names)}")
    return tuple(classes.names.index(name) for name in wanted)
