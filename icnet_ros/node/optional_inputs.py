"""Topics that a camera needs only for some outputs: CameraInfo, depth, and a topic whose size labels take."""

from collections import deque
from threading import Lock
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros import IMAGE_QOS, OVERRIDABLE, subscription_events
from icnet_ros.wire.cdr import CAMERA_INFO, IMAGE, deserialise
from icnet_ros.wire.cloud import Depth, decode_depth
from icnet_ros.wire.image import stamp_ns

KEPT_DEPTHS = 10  # depth images that wait for the labels of their stamp


class OptionalInputs:
    """Subscribes to what the outputs of a camera need now. Callbacks run on the executor, the rest on any thread."""

    def __init__(self, node: LifecycleNode, camera: str, image_topic: str, settings: Parameters) -> None:
        """image_topic: resolved; CameraInfo is expected beside it, as image_transport does."""
        self._node, self._settings = node, settings
        prefix = f"{camera}/" if camera else ""
        self._info_topic = node.resolve_topic_name(f"{prefix}camera_info")
        if self._info_topic == node.resolve_topic_name(f"{prefix}camera_info", only_expand=True):  # not remapped
            self._info_topic = f"{image_topic.rpartition('/')[0]}/camera_info"
        self._depth_topic = node.resolve_topic_name(f"{prefix}depth/image")
        self._depth_info_topic = node.resolve_topic_name(f"{prefix}depth/camera_info")
        like = settings.output_like.replace("{camera}", camera)
        self._like = node.resolve_topic_name(like) if like else ""
        self._subscriptions: dict[str, Any] = {}  # by topic
        self._lock = Lock()
        self._depths: deque[bytes] = deque(maxlen=KEPT_DEPTHS)
        self._size: tuple[int, int] | None = None
        self.info: CameraInfo | None = None
        self.depth_info: CameraInfo | None = None

    def update(self, *, camera_info: bool, points: bool) -> None:
        """Subscribe to the topics that are needed for these outputs, and unsubscribe from the others."""
        wanted: dict[str, tuple[type, Any, bool]] = {}
        if camera_info:
            wanted[self._info_topic] = (CameraInfo, self._on_info, False)
        if points:
            wanted[self._depth_topic] = (Image, self._on_depth, True)
            wanted[self._depth_info_topic] = (CameraInfo, self._on_depth_info, False)
        if self._like and (kind := self._kind_of_like()) is not None:
            name = IMAGE if kind is Image else CAMERA_INFO
            wanted.setdefault(self._like, (kind, lambda data: self._on_like(data, name), True))
        for topic in self._subscriptions.keys() - wanted.keys():
            self._node.destroy_subscription(self._subscriptions.pop(topic))
        for topic in wanted.keys() - self._subscriptions.keys():
            kind, callback, raw = wanted[topic]
            self._subscriptions[topic] = self._node.create_subscription(
                kind,
                topic,
                callback,
                IMAGE_QOS,
                raw=raw,
                event_callbacks=subscription_events(self._node, topic),
                qos_overriding_options=OVERRIDABLE,
            )

    def label_size(self) -> tuple[int, int] | None:
        """(height, width) that label maps shall have, None for that of the image.

        Raises ValueError if the size of `output_like` is not known yet.
        """
        settings = self._settings
        if self._like:
            if self._size is None:
                raise ValueError(f"no message on {self._like} yet, whose size the labels shall have (output_like)")
            return self._size
        if settings.output_width and settings.output_height:
            return settings.output_height, settings.output_width
        return None

    def depth_at(self, stamp: int) -> tuple[str, Depth] | None:
        """Frame and metres (H, W) of the depth image nearest to `stamp` (ns), None if none is near enough.

        Raises WireError.
        """
        with self._lock:
            kept = list(self._depths)
        tolerance = 1e9 * self._settings.points_tolerance_s
        near: tuple[float, bytes] | None = None
        for data in kept:
            distance = abs(stamp_ns(deserialise(data, IMAGE).header) - stamp)
            if distance <= tolerance and (near is None or distance < near[0]):
                near = distance, data
        if near is None:
            return None
        header, metres = decode_depth(near[1])
        return str(header.frame_id), metres

    def close(self) -> None:
        """Unsubscribe from everything."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _kind_of_like(self) -> type | None:
        """Message type of `output_like`; None if nobody publishes it, or not as Image or CameraInfo."""
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(self._like)}
        return Image if IMAGE in kinds else CameraInfo if CAMERA_INFO in kinds else None

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def _on_depth_info(self, message: CameraInfo) -> None:
        self.depth_info = message

    def _on_depth(self, data: bytes) -> None:
        with self._lock:
            self._depths.append(data)
        if self._like == self._depth_topic:
            self._on_like(data, IMAGE)

    def _on_like(self, data: bytes, kind: str) -> None:
        message = deserialise(data, kind)
        if message.height and message.width:
            self._size = int(message.height), int(message.width)
