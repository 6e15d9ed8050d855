"""What every output of a camera implements."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Protocol

from rclpy.qos import DurabilityPolicy, QoSProfile

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros.qos import OUTPUT_QOS
from icnet_ros.wire.cdr import Header

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Topic(NamedTuple):
    """A topic of an output.

    name: below ~/ or ~/CAMERA/. message: class of rclpy. content: type and content, for docs/topics.md. latched: it is
    published when the node is configured and for every new subscriber, instead of for each frame.
    """

    name: str
    message: type
    content: str
    qos: QoSProfile = OUTPUT_QOS
    latched: bool = False


class Stamped(Protocol):
    """A message with a header."""

    header: Header


class Publisher(Protocol):
    """What is used of a publisher of rclpy."""

    topic_name: str

    def publish(self, message: object) -> None:
        """Publish a message, or its bytes."""

    def get_subscription_count(self) -> int:
        """Number of subscribers."""


class Output(ABC):
    """An output of one camera. `publish` is called for frames while a topic of it has subscribers.

    topics: what it publishes on. always: it is published for every frame; its failure is one of the frame. last: it
    is published after all others. needs: what it needs of a frame, beside image and labels; set in `__init__`.
    warning: why what it publishes may be wrong, "" if nothing says so. figures: its values for /diagnostics.
    """

    topics: ClassVar[tuple[Topic, ...]]
    always: ClassVar[bool] = False
    last: ClassVar[bool] = False

    def __init__(self, spec: ModelSpec, settings: Parameters) -> None:
        """settings: those that the engine was built with. Raises EngineError for settings that cannot be used."""
        self.spec, self.settings = spec, settings
        self.needs = Needs()
        self.warning = ""
        self.figures: dict[str, str] = {}
        self.publishers: dict[str, Publisher] = {}  # by the names of `topics`
        self._per_frame = [topic.name for topic in self.topics if not topic.latched]

    @abstractmethod
    def publish(self, frame: LabelledFrame) -> None:
        """Publish what belongs to a frame. Raises ValueError with the reason if it cannot, NotYet if it may later."""

    def enabled(self, settings: Parameters) -> bool:
        """Whether the parameters, which may change while the node runs, allow it."""
        return True

    def reset(self) -> None:  # noqa: B027  most keep nothing
        """Called before it is published for the first frame, when frames are no longer wanted, and on activation."""

    def latched(self, topic: str) -> Stamped:
        """The message of a latched topic. Its header gets the time of publishing."""
        raise NotImplementedError(topic)

    def subscribed(self, topic: str) -> bool:
        """Whether the topic has subscribers."""
        return self.publishers[topic].get_subscription_count() > 0

    def wanted(self, settings: Parameters) -> bool:
        """Whether it is to be published for the next frame."""
        return self.always or (self.has_subscribers() and self.enabled(settings))

    def has_subscribers(self) -> bool:
        """Whether a topic that is published for each frame has subscribers."""
        return any(map(self.subscribed, self._per_frame))

    def send(self, topic: str, message: object) -> None:
        """Publish a message, or its bytes, on one of the topics."""
        self.publishers[topic].publish(message)
