"""Subscription to ground truth: label images of the type in which they are published, and the names of their ids."""

from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from vision_msgs.msg import LabelInfo

from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.node.ros.graph import message_class
from icnet_ros.node.ros.qos import OVERRIDABLE, subscription_events
from icnet_ros.node.ros.releases import overridable
from icnet_ros.replay.annotated_ids import lies_beside
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, LABEL_INFO
from icnet_ros.wire.decoders.base import Decoder
from icnet_ros.wire.decoders.table import base_of, may_be_labels, open_decoder


class GroundTruthInput:
    """Calls back with each label image, and with the names in a LabelInfo beside the topic, as `icnet replay` does.

    `check` must be called every now and then: what is published is seen in the graph, some time after the start.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        profile: QoSProfile,
        on_image: Callable[[bytes | memoryview, Decoder], None],
        on_names: Callable[[str, Mapping[int, str]], None],
    ) -> None:
        """on_image: takes a message and the decoder of its type. on_names: a topic and names by id."""
        self._node, self._topic, self._profile = node, topic, profile
        self._on_image, self._on_names = on_image, on_names
        self.name = node.resolve_topic_name(topic)
        self._own_info = node.resolve_topic_name("label_info")  # names the classes of the labels
        self._info = ""
        self._names: Subscription | None = None
        self._kind = COMPRESSED_IMAGE if self.name.endswith("/compressed") else IMAGE
        self._images = self._subscribe()

    def _subscribe(self) -> BytesSubscription:
        decoder = open_decoder(self._kind)
        return BytesSubscription(
            self._node, message_class(self._kind), self._topic, lambda data: self._on_image(data, decoder),
            **overridable(self._profile, OVERRIDABLE), event_callbacks=subscription_events(self._node, self.name),
        )  # fmt: skip

    def check(self) -> None:
        """Subscribe to what is published now."""
        self._images.check()
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(self.name)}
        if kinds and self._kind not in kinds and (others := sorted(filter(may_be_labels, kinds))):
            self._images.destroy()
            self._kind = others[0]
            self._images = self._subscribe()
        base = base_of(self.name, self._kind)
        topics = self._node.get_topic_names_and_types()
        infos = [name for name, kinds in topics if LABEL_INFO in kinds and lies_beside(name, base)]
        info = max((name for name in infos if name != self._own_info), key=len, default="")
        offered = self._node.get_publishers_info_by_topic(info) if info else []
        if offered and info != self._info:
            self._subscribe_names(info, offered[0].qos_profile)

    def _subscribe_names(self, info: str, offered: QoSProfile) -> None:
        """offered: of the publisher; a latched message comes only to those that ask for it, as others may not offer."""
        if self._names is not None:
            self._node.destroy_subscription(self._names)
        self._info = info
        profile = QoSProfile(depth=1, reliability=offered.reliability, durability=offered.durability)

        def received(message: LabelInfo) -> None:
            self._on_names(info, {one.class_id: one.class_name for one in message.class_map})

        self._names = self._node.create_subscription(LabelInfo, info, received, profile)
