"""Topics that a camera needs only for some outputs: CameraInfo, depth, LiDAR, and a topic whose size labels take."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from icnet_ros.engine.base import EngineError
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.releases import overridable
from icnet_ros.node.ros import IMAGE_QOS, OVERRIDABLE, subscription_events
from icnet_ros.node.transforms import Transforms
from icnet_ros.wire.cdr import CAMERA_INFO, IMAGE, POINT_CLOUD, WireError, deserialise
from icnet_ros.wire.cloud import Depth, decode_depth
from icnet_ros.wire.image import stamp_ns
from icnet_ros.wire.lidar import Matrix

KEPT = 60  # most depth images or clouds that wait for the labels of their stamp: 2 s at 30 Hz


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
        try:
            self._like = node.resolve_topic_name(like) if like else ""
        except Exception as err:  # rclpy raises several types
            raise EngineError(f"output_like is {like!r}, which is no topic: {err}") from err
        self.tolerance_s = settings.points_tolerance_s
        self._subscriptions: dict[str, Any] = {}  # by topic
        self._callbacks: dict[str, list[Callable[[Any], None]]] = {}  # a topic may serve several uses
        self._lock = Lock()
        self._kept: dict[str, deque[bytes]] = {kind: deque(maxlen=KEPT) for kind in (IMAGE, POINT_CLOUD)}
        self._cloud_topic = node.resolve_topic_name(f"{prefix}cloud")
        self._transforms = Transforms(node, settings.cloud_transform)
        self._last_image = 0  # stamp, ns
        self._size: tuple[int, int] | None = None
        self.info: CameraInfo | None = None
        self.depth_info: CameraInfo | None = None

    def update(self, *, camera_info: bool, points: bool, cloud: bool) -> None:
        """Subscribe to the topics that are needed for these outputs, and unsubscribe from the others."""
        uses: list[tuple[str, type, Callable[[Any], None]]] = []
        if camera_info or cloud:
            uses.append((self._info_topic, CameraInfo, self._on_info))
        if cloud:
            uses.append((self._cloud_topic, PointCloud2, self._on_cloud))
        if points:
            uses.append((self._depth_topic, Image, self._on_depth))
            uses.append((self._depth_info_topic, CameraInfo, self._on_depth_info))
        if self._like and (kind := self._kind_of_like()) is not None:
            uses.append((self._like, kind, self._on_like_image if kind is Image else self._on_like_info))
        kinds, self._callbacks = {topic: kind for topic, kind, _ in uses}, {}
        for topic, _, callback in uses:
            self._callbacks.setdefault(topic, []).append(callback)
        for topic in self._subscriptions.keys() - kinds.keys():
            self._node.destroy_subscription(self._subscriptions.pop(topic))
        for topic in kinds.keys() - self._subscriptions.keys():
            self._subscriptions[topic] = self._node.create_subscription(
                kinds[topic],
                topic,
                partial(self._dispatch, topic),
                raw=kinds[topic] is not CameraInfo,
                event_callbacks=subscription_events(self._node, topic),
                **overridable(IMAGE_QOS, OVERRIDABLE),
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

    def depth_at(self, stamp: int) -> tuple[Any, Depth] | None:
        """Header and metres (H, W) of the depth image nearest to `stamp` (ns), None if none is near enough.

        Raises WireError.
        """
        data = self._nearest(IMAGE, stamp)
        return None if data is None else decode_depth(data)

    def may_come_nearer(self, stamp: int) -> bool:
        """Whether a depth image nearer to `stamp` (ns) may follow: none of that stamp or later has come."""
        try:
            return all(at < stamp for at, _ in self._latest_first(IMAGE))
        except WireError:  # depth_at says what is wrong
            return False

    def cloud_at(self, stamp: int, camera_frame: str) -> tuple[Any, Matrix] | None:
        """The cloud (PointCloud2) nearest to `stamp` (ns) and its transform (4, 4) to the camera; None if none is near.

        Each cloud is returned once: cameras are faster than LiDARs, and a map would count its points several times.
        It is left for the next image if that is nearer, going by the time since the last one.
        Raises WireError, and ValueError if the transform is not known.
        """
        period, self._last_image = stamp - self._last_image, stamp
        data = self._nearest(POINT_CLOUD, stamp)
        if data is None:
            return None
        cloud = deserialise(data, POINT_CLOUD)
        if stamp_ns(cloud.header) - stamp > period / 2 > 0:
            return None
        transform = self._transforms.between(str(cloud.header.frame_id), camera_frame)
        self._drop(POINT_CLOUD, {id(data)})
        return cloud, transform

    def _nearest(self, kind: str, stamp: int) -> bytes | None:
        """The kept message whose stamp is nearest, if it is within the tolerance."""
        tolerance = 1e9 * self.tolerance_s
        by_stamp = list(self._latest_first(kind))
        # The next image has a later stamp.
        self._drop(kind, {id(data) for at, data in by_stamp if at < stamp - tolerance})
        # Of the same distance, the one that came last.
        at, nearest = min(by_stamp, key=lambda entry: abs(entry[0] - stamp), default=(math.inf, b""))
        return nearest if abs(at - stamp) <= tolerance else None

    def _latest_first(self, kind: str) -> Iterator[tuple[int, bytes]]:
        """Stamp and message of what is kept, the last that came first. Raises WireError."""
        with self._lock:
            kept = list(self._kept[kind])
        return ((stamp_ns(deserialise(data, kind).header), data) for data in reversed(kept))

    def _drop(self, kind: str, ids: set[int]) -> None:
        """Forget kept messages by their `id`."""
        with self._lock:
            self._kept[kind] = deque((data for data in self._kept[kind] if id(data) not in ids), maxlen=KEPT)

    def clock_jumped(self) -> None:
        """Forget messages and transforms: those of a later time would be taken for the newest."""
        self._transforms.clear()
        with self._lock:
            for kept in self._kept.values():
                kept.clear()

    def unsubscribe(self) -> None:
        """Unsubscribe from everything but /tf."""
        self._callbacks = {}
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def close(self) -> None:
        """Unsubscribe from everything."""
        self.unsubscribe()
        self._transforms.close()

    def _kind_of_like(self) -> type | None:
        """Message type of `output_like`; None if nobody publishes it, or not as Image or CameraInfo."""
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(self._like)}
        return Image if IMAGE in kinds else CameraInfo if CAMERA_INFO in kinds else None

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def _on_depth_info(self, message: CameraInfo) -> None:
        self.depth_info = message

    def _dispatch(self, topic: str, message: Any) -> None:
        for callback in self._callbacks.get(topic, ()):
            callback(message)

    def _on_depth(self, data: bytes) -> None:
        self._keep(IMAGE, data)

    def _on_cloud(self, data: bytes) -> None:
        self._keep(POINT_CLOUD, data)

    def _keep(self, kind: str, data: bytes) -> None:
        with self._lock:
            self._kept[kind].append(data)

    def _on_like_image(self, data: bytes) -> None:
        try:
            self._on_like_info(deserialise(data, IMAGE))
        except WireError as err:
            self._node.get_logger().warning(f"output_like: {err}", throttle_duration_sec=5.0)

    def _on_like_info(self, message: Any) -> None:
        if message.height and message.width:
            self._size = int(message.height), int(message.width)
