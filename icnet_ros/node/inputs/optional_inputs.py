"""Topics that a camera needs only for some outputs: CameraInfo, depth, LiDAR, and a topic whose size labels take."""

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, Protocol

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from icnet_ros.engine.base import EngineError
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.inputs.transforms import Transforms
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros.qos import IMAGE_QOS, OVERRIDABLE, subscription_events
from icnet_ros.node.ros.releases import overridable
from icnet_ros.wire.cdr import CAMERA_INFO, IMAGE, POINT_CLOUD, Header, WireError, deserialise
from icnet_ros.wire.cloud import Depth, decode_depth
from icnet_ros.wire.image import stamp_ns
from icnet_ros.wire.lidar import Cloud, Matrix

Callback = Callable[[Any], None]  # takes the message or, of all types but CameraInfo, its bytes
KEPT = 60  # most depth images or clouds that wait for the labels of their stamp: 2 s at 30 Hz


class _Sized(Protocol):
    """Image or CameraInfo."""

    height: int
    width: int


class _Kept(NamedTuple):
    """A message: its stamp, ns, and its bytes."""

    stamp: int
    data: bytes | memoryview


class OptionalInputs:
    """Subscribes to what the outputs of a camera need now. Callbacks run on the executor, the rest on any thread."""

    def __init__(
        self, node: LifecycleNode, camera: str, image_topic: str, settings: Parameters, transforms: Transforms
    ) -> None:
        """image_topic: resolved; CameraInfo is expected beside it, as image_transport does."""
        self._node, self._settings = node, settings
        self.image_topic = image_topic
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
        self._subscriptions: dict[str, Subscription | BytesSubscription] = {}  # by topic
        self._callbacks: dict[str, list[Callback]] = {}  # a topic may serve several uses
        self._lock = Lock()
        self._kept: dict[str, deque[_Kept]] = {kind: deque(maxlen=KEPT) for kind in (IMAGE, POINT_CLOUD)}
        self._cloud_topic = node.resolve_topic_name(f"{prefix}cloud")
        self._transforms = transforms
        self._last_image = 0  # stamp, ns
        self._size: tuple[int, int] | None = None
        self.info: CameraInfo | None = None
        self.depth_info: CameraInfo | None = None

    def update(self, needs: Needs) -> None:
        """Subscribe to the topics that are needed, and unsubscribe from the others."""
        uses: list[tuple[str, type, Callback]] = []
        if needs.camera_info:
            uses.append((self._info_topic, CameraInfo, self._on_info))
        if needs.cloud:
            uses.append((self._cloud_topic, PointCloud2, self._on_cloud))
        if needs.depth:
            uses.append((self._depth_topic, Image, self._on_depth))
            uses.append((self._depth_info_topic, CameraInfo, self._on_depth_info))
        if self._like and (kind := self._kind_of_like()) is not None:
            uses.append((self._like, kind, self._on_like_image if kind is Image else self._on_like_info))
        kinds, self._callbacks = {topic: kind for topic, kind, _ in uses}, {}
        for topic, _, callback in uses:
            self._callbacks.setdefault(topic, []).append(callback)
        for topic in self._subscriptions.keys() - kinds.keys():
            self._destroy(self._subscriptions.pop(topic))
        for topic in kinds.keys() - self._subscriptions.keys():
            kind = kinds[topic]
            create = self._node.create_subscription if kind is CameraInfo else partial(BytesSubscription, self._node)
            self._subscriptions[topic] = create(
                kind,
                topic,
                partial(self._dispatch, topic),
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

    def depth_at(self, stamp: int) -> tuple[Header, Depth] | None:
        """Header and metres (H, W) of the depth image nearest to `stamp` (ns), None if none is near enough.

        Raises WireError.
        """
        found = self._nearest(IMAGE, stamp)
        return None if found is None else decode_depth(found.data)

    def may_come_nearer(self, stamp: int) -> bool:
        """Whether a depth image nearer to `stamp` (ns) may follow: none of that stamp or later has come."""
        with self._lock:
            return all(kept.stamp < stamp for kept in self._kept[IMAGE])

    def cloud_at(self, stamp: int, camera_frame: str) -> tuple[Cloud, Matrix] | None:
        """The cloud (PointCloud2) nearest to `stamp` (ns) and its transform (4, 4) to the camera; None if none is near.

        Each cloud is returned once: cameras are faster than LiDARs, and a map would count its points several times.
        It is left for the next image if that is nearer, going by the time since the last one.
        Raises WireError, and ValueError if the transform is not known.
        """
        period, self._last_image = stamp - self._last_image, stamp
        found = self._nearest(POINT_CLOUD, stamp)
        if found is None or found.stamp - stamp > period / 2 > 0:
            return None
        cloud: Cloud = deserialise(found.data, POINT_CLOUD)
        transform = self._transforms.between(str(cloud.header.frame_id), camera_frame, stamp, self.tolerance_s)
        self._drop(POINT_CLOUD, lambda kept: kept is found)
        return cloud, transform

    def camera_in(self, frame: str, stamp: int, camera_frame: str) -> Matrix:
        """Transform (4, 4) from the camera's frame to `frame` at `stamp`, from tf2. Raises ValueError."""
        instead = "set camera_height and camera_pitch"
        return self._transforms.lookup(camera_frame, frame, stamp, self.tolerance_s, instead)

    def _nearest(self, kind: str, stamp: int) -> "_Kept | None":
        """The waiting message whose stamp is nearest, if it is within the tolerance."""
        tolerance = 1e9 * self.tolerance_s
        self._drop(kind, lambda kept: kept.stamp < stamp - tolerance)  # the next image has a later stamp
        with self._lock:
            latest_first = reversed(self._kept[kind])  # of the same distance, the one that came last
            found = min(latest_first, key=lambda kept: abs(kept.stamp - stamp), default=None)
        return found if found is not None and abs(found.stamp - stamp) <= tolerance else None

    def _drop(self, kind: str, unwanted: "Callable[[_Kept], bool]") -> None:
        """Remove the waiting messages that are unwanted."""
        with self._lock:
            self._kept[kind] = deque((kept for kept in self._kept[kind] if not unwanted(kept)), maxlen=KEPT)

    def clock_jumped(self) -> None:
        """Forget messages: those of a later time would be taken for the newest."""
        for kind in self._kept:
            self._drop(kind, lambda _: True)

    def forget(self) -> None:
        """Forget CameraInfos and sizes, as on activation: the camera may be another one by now."""
        self.info = self.depth_info = self._size = None

    def unsubscribe(self) -> None:
        """Unsubscribe from everything."""
        self._callbacks = {}
        for subscription in self._subscriptions.values():
            self._destroy(subscription)
        self._subscriptions.clear()

    def check(self) -> None:
        """Look whether messages come, see BytesSubscription, and whether transforms are still needed."""
        self._transforms.check()
        for subscription in self._subscriptions.values():
            if isinstance(subscription, BytesSubscription):
                subscription.check()

    def _destroy(self, subscription: Subscription | BytesSubscription) -> None:
        if isinstance(subscription, BytesSubscription):
            subscription.destroy()
        else:
            self._node.destroy_subscription(subscription)

    def _kind_of_like(self) -> type | None:
        """Message type of `output_like`; None if nobody publishes it, or not as Image or CameraInfo."""
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(self._like)}
        return Image if IMAGE in kinds else CameraInfo if CAMERA_INFO in kinds else None

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def _on_depth_info(self, message: CameraInfo) -> None:
        self.depth_info = message

    def _dispatch(self, topic: str, message: object) -> None:
        for callback in self._callbacks.get(topic, ()):
            callback(message)

    def _on_depth(self, data: bytes) -> None:
        self._keep(IMAGE, data)

    def _on_cloud(self, data: bytes) -> None:
        self._keep(POINT_CLOUD, data)

    def _keep(self, kind: str, data: bytes) -> None:
        try:
            stamp = stamp_ns(deserialise(data, kind).header)
        except WireError as err:
            self._node.get_logger().warning(f"message ignored: {err}", throttle_duration_sec=5.0)
            return
        # After a source began anew, such as a bag that is played in a loop, its earlier messages are of a later time.
        latest = stamp + 1e9 * self.tolerance_s
        self._drop(kind, lambda kept: kept.stamp > latest)
        with self._lock:
            self._kept[kind].append(_Kept(stamp, data))

    def _on_like_image(self, data: bytes) -> None:
        try:
            self._on_like_info(deserialise(data, IMAGE))
        except WireError as err:
            self._node.get_logger().warning(f"output_like: {err}", throttle_duration_sec=5.0)

    def _on_like_info(self, message: _Sized) -> None:
        if message.height and message.width:
            self._size = int(message.height), int(message.width)
