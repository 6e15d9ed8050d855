"""The topics a configured node publishes on for one camera."""

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo, VisionClass

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import Engine, LabelMap
from icnet_ros.msg import FrameLatency
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros import OUTPUT_QOS, OVERRIDABLE, publisher_events
from icnet_ros.node.worker import Counters
from icnet_ros.render.painter import Painter
from icnet_ros.wire.image import Picture, encode_image, encode_jpeg

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """Lifecycle publishers for one camera; only label_info is also published while the node is inactive.

    Images are serialised by `wire`; overlay and confidence are computed only for subscribers.
    """

    def __init__(self, node: LifecycleNode, camera: str, engine: Engine) -> None:
        """camera: its topics are `~/CAMERA/labels` and so on, `~/labels` if it is ""."""
        self._node = node
        self._prefix = f"~/{camera}/" if camera else "~/"
        self._engine = engine
        self._painter = Painter.for_network(engine.spec.classes.colours, trained=engine.spec.trained)
        self._publishers: list[Any] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._labels = self._publisher(Image, "labels")
        self._confidence = self._publisher(Image, "confidence")
        self._overlay = self._publisher(Image, "overlay")
        self._overlay_jpeg = self._publisher(CompressedImage, "overlay/compressed")
        self._latency = self._publisher(FrameLatency, "latency", QoSProfile(depth=10))
        # No lifecycle publisher: it is published while the node is inactive.
        self._label_info = self._publisher(LabelInfo, "label_info", LATCHED, managed=False)

    def publish_label_info(self) -> None:
        """Publish the class table, for current and later subscribers."""
        info = _label_info(self._engine.spec.classes)
        info.header.stamp = self._node.get_clock().now().to_msg()
        self._label_info.publish(info)

    def wants_confidence(self, settings: Parameters) -> bool:
        """Whether the next frame needs a confidence map."""
        return settings.publish_confidence and self._confidence.get_subscription_count() > 0

    def has_subscribers(self) -> bool:
        """Whether anyone subscribes to what is computed from images."""
        computed = (self._labels, self._confidence, self._overlay, self._overlay_jpeg, self._latency)
        return any(publisher.get_subscription_count() > 0 for publisher in computed)

    def publish_labels(self, picture: Picture, label_map: LabelMap) -> None:
        """Labels, and confidence if it was computed, with the header of the image."""
        self._labels.publish(encode_image(picture.header, label_map.labels, "mono8"))
        if label_map.confidence is not None:
            self._confidence.publish(encode_image(picture.header, label_map.confidence, "mono8"))

    def publish_overlay(self, picture: Picture, label_map: LabelMap, settings: Parameters) -> None:
        """The overlay, raw and as JPEG, each only if it has subscribers."""
        raw = self._overlay.get_subscription_count() > 0
        compressed = self._overlay_jpeg.get_subscription_count() > 0
        if not settings.publish_overlay or not (raw or compressed):
            return
        bgr = picture.bgr()
        overlay = self._painter.overlay(bgr, label_map.labels, settings.overlay_alpha)
        if raw:
            self._overlay.publish(encode_image(picture.header, overlay, "bgr8"))
        if compressed:
            self._overlay_jpeg.publish(encode_jpeg(picture.header, overlay, settings.jpeg_quality))

    def publish_latency(self, header: Any, stages: dict[str, float], counters: Counters) -> None:
        """Stage times of one frame; `stages` by the field names of FrameLatency."""
        message = FrameLatency(engine=self._engine.name, exit=self._engine.exit, **stages)
        message.header.stamp.sec = header.stamp.sec
        message.header.stamp.nanosec = header.stamp.nanosec
        message.header.frame_id = header.frame_id
        message.received, message.dropped, message.failed = counters.received, counters.dropped, counters.failed
        message.processed = counters.processed + 1  # this frame is counted after publishing
        self._latency.publish(message)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def _publisher(self, kind: type, topic: str, qos: QoSProfile = OUTPUT_QOS, *, managed: bool = True) -> Any:
        name = f"{self._prefix}{topic}"
        create = self._node.create_lifecycle_publisher if managed else self._node.create_publisher
        events = publisher_events(self._node, self._node.resolve_topic_name(name))
        publisher = create(kind, name, qos, qos_overriding_options=OVERRIDABLE, event_callbacks=events)
        self._publishers.append(publisher)
        return publisher


def _label_info(classes: ClassTable) -> LabelInfo:
    table = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(classes.names)]
    table.append(VisionClass(class_id=classes.ignore, class_name="unlabelled"))
    return LabelInfo(class_map=table)
