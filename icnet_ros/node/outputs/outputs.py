"""The topics a configured node publishes on for one camera."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from vision_msgs.msg import LabelInfo

from icnet_ros.engine.base import Engine, LabelMap
from icnet_ros.msg import FrameLatency
from icnet_ros.node.outputs.camera_info import check_view, for_size, of_labels, rectified_matrix
from icnet_ros.node.outputs.label_info import CHANNEL_INFO, channel_info, label_info, score_channels
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.releases import CAN_REPORT_MATCHES, overridable
from icnet_ros.node.ros import (
    NO_EVENTS,
    OUTPUT_QOS,
    OVERRIDABLE,
    incompatible_subscriber,
    incompatible_subscribers,
    matched_events,
)
from icnet_ros.node.worker import Counters
from icnet_ros.render.painter import Painter
from icnet_ros.wire.cloud import Depth, encode_cloud
from icnet_ros.wire.image import Picture, encode_image, encode_jpeg, encode_png
from icnet_ros.wire.lidar import Matrix, label_cloud

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """Lifecycle publishers for one camera; class and channel names are also published while the node is inactive.

    Images are serialised by `wire`; all but the labels and the latency are computed only for subscribers.
    """

    def __init__(self, node: LifecycleNode, camera: str, engine: Engine, settings: Parameters) -> None:
        """camera: its topics are `~/CAMERA/labels` and so on, `~/labels` if it is "". Raises EngineError."""
        self._node = node
        self._prefix = f"~/{camera}/" if camera else "~/"
        self._engine, self._settings = engine, settings
        self._channels = score_channels(engine.spec.classes, settings.score_classes)
        self._painter = Painter.for_network(engine.spec.classes.colours, trained=engine.spec.trained)
        self._publishers: list[Any] = []
        self._named = 0  # subscribers of the names when they were last counted
        self._reported: set[str] = set()  # endpoints of subscribers with an incompatible QoS
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._labels = self._publisher(Image, "labels")
        self._labels_png = self._publisher(CompressedImage, "labels/compressed")
        self._color = self._publisher(Image, "color")
        self._confidence = self._publisher(Image, "confidence")
        self._scores = self._publisher(Image, "scores")
        self._overlay = self._publisher(Image, "overlay")
        self._overlay_jpeg = self._publisher(CompressedImage, "overlay/compressed")
        self._camera_info = self._publisher(CameraInfo, "camera_info")
        self._points = self._publisher(PointCloud2, "points")
        self._cloud = self._publisher(PointCloud2, "cloud")
        self._latency = self._publisher(FrameLatency, "latency", QoSProfile(depth=10))
        # No lifecycle publishers: they are published while the node is inactive, and again for every new subscriber,
        # which may be volatile and would miss the latched message.
        self._label_info = self._publisher(LabelInfo, "label_info", LATCHED, on_match=self._publish_label_info)
        self._channel_info = self._publisher(CHANNEL_INFO, "scores/channels", LATCHED, on_match=self._publish_channels)

    def publish_names(self) -> None:
        """Publish class and channel names, for current and later subscribers."""
        self._publish_label_info()
        self._publish_channels()

    def _publish_label_info(self) -> None:
        settings = self._settings
        info = label_info(
            self._engine.spec.classes,
            unlabelled=settings.publish_unlabelled,
            threshold=settings.confidence_threshold,
        )
        info.header.stamp = self._node.get_clock().now().to_msg()
        self._label_info.publish(info)

    def _publish_channels(self) -> None:
        info = channel_info(self._engine.spec.classes, self._channels)
        info.header.stamp = self._node.get_clock().now().to_msg()
        self._channel_info.publish(info)

    def wants_confidence(self, settings: Parameters) -> bool:
        """Whether the next frame needs a confidence map."""
        return (
            self._publishes_confidence(settings)
            or settings.confidence_threshold > 0
            or self.wants_points()
            or self.wants_cloud()
        )

    def _publishes_confidence(self, settings: Parameters) -> bool:
        return settings.publish_confidence and _wanted(self._confidence)

    def wanted_scores(self) -> tuple[int, ...]:
        """Ids of the classes whose probabilities the next frame needs."""
        return self._channels if _wanted(self._scores) else ()

    def wants_points(self) -> bool:
        """Whether the point cloud has subscribers."""
        return _wanted(self._points)

    def wants_cloud(self) -> bool:
        """Whether the labelled LiDAR cloud has subscribers."""
        return _wanted(self._cloud)

    def wants_camera_info(self) -> bool:
        """Whether the CameraInfo has subscribers."""
        return _wanted(self._camera_info)

    def has_subscribers(self) -> bool:
        """Whether anyone subscribes to what is computed from images."""
        managed = (
            publisher for publisher in self._publishers if publisher not in (self._label_info, self._channel_info)
        )
        return any(_wanted(publisher) for publisher in managed)

    def publish_labels(self, picture: Picture, label_map: LabelMap, settings: Parameters) -> None:
        """Labels and, if they were computed, confidence and scores, with the header of the image."""
        header, labels = picture.header, label_map.labels
        self._labels.publish(encode_image(header, labels, "mono8"))
        if label_map.confidence is not None and self._publishes_confidence(settings):
            self._confidence.publish(encode_image(header, label_map.confidence, "mono8"))
        if label_map.scores is not None:
            self._scores.publish(encode_image(header, label_map.scores, f"32FC{len(self._channels)}"))
        if _wanted(self._labels_png):
            self._labels_png.publish(encode_png(header, labels))

    def publish_camera_info(self, picture: Picture, label_map: LabelMap, info: CameraInfo) -> None:
        """`info`, of the camera, for the size of the labels. Raises ValueError if it is not that of the image."""
        check_view(info, *picture.pixels.shape[:2])
        self._camera_info.publish(of_labels(info, picture.header, *label_map.labels.shape))

    def publish_pictures(self, picture: Picture, label_map: LabelMap, settings: Parameters) -> None:
        """The classes in their colours, and the overlay, raw and as JPEG, each only if it has subscribers."""
        if _wanted(self._color):
            colour = cv2.cvtColor(self._painter.colour(label_map.labels), cv2.COLOR_BGR2RGB)
            self._color.publish(encode_image(picture.header, colour, "rgb8"))
        raw, compressed = _wanted(self._overlay), _wanted(self._overlay_jpeg)
        if not settings.publish_overlay or not (raw or compressed):
            return
        bgr = resized(picture.bgr(), label_map.labels.shape)
        overlay = self._painter.overlay(bgr, label_map.labels, settings.overlay_alpha)
        if raw:
            self._overlay.publish(encode_image(picture.header, overlay, "bgr8"))
        if compressed:
            self._overlay_jpeg.publish(encode_jpeg(picture.header, overlay, settings.jpeg_quality))

    def publish_points(
        self, picture: Picture, label_map: LabelMap, header: Any, depth: Depth, info: CameraInfo
    ) -> None:
        """The depth image as a labelled cloud, with the header of the image.

        header, depth, info: of the depth image. Raises ValueError if it is not registered to the image, if it differs
        from the labels in size, or if the camera is not calibrated.
        """
        (rows, columns), (height, width) = depth.shape, label_map.labels.shape
        if header.frame_id != picture.header.frame_id:
            raise ValueError(
                f"the depth image has frame {header.frame_id!r}, the image {picture.header.frame_id!r}: it must be "
                "registered to the image"
            )
        if (rows, columns) != (height, width):
            raise ValueError(
                f"the depth image is {columns}x{rows}, the labels are {width}x{height}: set output_like to its topic"
            )
        confidence = label_map.confidence
        if confidence is None:  # the subscriber came while this frame was segmented
            return
        check_view(info, rows, columns)
        k = rectified_matrix(for_size(info, picture.header, rows, columns))
        rgb = resized(picture.pixels if picture.order == "rgb" else picture.bgr()[..., ::-1], depth.shape)
        self._points.publish(encode_cloud(picture.header, depth, k, rgb, label_map.labels, confidence))

    def publish_cloud(
        self, picture: Picture, cloud: Any, to_camera: Matrix, label_map: LabelMap, info: CameraInfo
    ) -> None:
        """A LiDAR cloud (PointCloud2) with labels.

        to_camera: (4, 4), from its frame to the camera's. info: of the camera. Raises WireError, or ValueError if the
        camera is not calibrated or `info` is not that of the image.
        """
        check_view(info, *picture.pixels.shape[:2])
        k = rectified_matrix(for_size(info, cloud.header, *label_map.labels.shape))
        if label_map.confidence is not None:  # else the subscriber came while this frame was segmented
            ignore = self._engine.spec.classes.ignore
            self._cloud.publish(label_cloud(cloud, to_camera, k, label_map.labels, label_map.confidence, ignore))

    def publish_latency(self, header: Any, label_map: LabelMap, stages: dict[str, float], counters: Counters) -> None:
        """Stage times of one frame; `stages` by the field names of FrameLatency."""
        message = FrameLatency(engine=self._engine.name, exit=self._engine.exit, **stages)
        message.input_rows = label_map.input_rows
        message.header.stamp.sec = header.stamp.sec
        message.header.stamp.nanosec = header.stamp.nanosec
        message.header.frame_id = header.frame_id
        message.received, message.dropped, message.failed = counters.received, counters.dropped, counters.failed
        message.skipped = counters.skipped
        message.processed = counters.processed + 1  # this frame is counted after publishing
        self._latency.publish(message)

    def check_subscribers(self) -> None:
        """Log subscribers with an incompatible QoS once. Where rclpy reports no matches, publish the names again."""
        if not CAN_REPORT_MATCHES:
            count = self._label_info.get_subscription_count() + self._channel_info.get_subscription_count()
            if count > self._named:
                self.publish_names()
            self._named = count
        for publisher in self._publishers:
            found = incompatible_subscribers(self._node, publisher.topic_name)
            for endpoint in found.keys() - self._reported:
                self._reported.add(endpoint)
                self._node.get_logger().warning(incompatible_subscriber(publisher.topic_name, found[endpoint]))

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def _publisher(
        self, kind: type, topic: str, qos: QoSProfile = OUTPUT_QOS, *, on_match: Callable[[], None] | None = None
    ) -> Any:
        """on_match: called for every new subscriber; the publisher is no lifecycle publisher then."""
        name = f"{self._prefix}{topic}"
        create = self._node.create_publisher if on_match else self._node.create_lifecycle_publisher
        events = matched_events(on_match) if on_match else NO_EVENTS
        publisher = create(kind, name, event_callbacks=events, **overridable(qos, OVERRIDABLE))
        self._publishers.append(publisher)
        return publisher


def resized(pixels: Any, shape: tuple[int, ...]) -> Any:
    """Pixels (H, W, 3) at the size `shape` of a label map."""
    if pixels.shape[:2] == shape:
        return pixels
    return cv2.resize(np.ascontiguousarray(pixels), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _wanted(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count() > 0)
