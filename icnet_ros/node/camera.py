"""One camera of the node: its image subscription, its rate, and its state for /diagnostics."""

import math
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from rclpy.lifecycle import LifecycleNode
from rclpy.logging import LoggingSeverity
from sensor_msgs.msg import Image

from icnet_ros.engine.base import Engine, LabelMap
from icnet_ros.node.diagnostics import Snapshot
from icnet_ros.node.frame import DecodedFrame, LabelledFrame, ReceivedImage, milliseconds, stamp_error
from icnet_ros.node.inputs.buffer_backends import open_backends
from icnet_ros.node.inputs.buffer_subscription import BufferSubscription
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.image_input import ImageInput
from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.inputs.optional_inputs import OptionalInputs
from icnet_ros.node.inputs.transforms import Transforms
from icnet_ros.node.inputs.typed_image import TypedImage
from icnet_ros.node.outputs.base import Output
from icnet_ros.node.outputs.camera_outputs import CameraOutputs
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros.graph import why_no_images
from icnet_ros.node.ros.qos import IMAGE_QOS, OVERRIDABLE, subscription_events
from icnet_ros.node.ros.releases import overridable
from icnet_ros.node.statistics import Statistics
from icnet_ros.node.worker import Counters
from icnet_ros.wire.decoders.base import decode_damaged
from icnet_ros.wire.pictures.jpeg import DamagedImageError

TOLERANCE = 0.1  # share of the period of max_rate by which an image may be early


class Camera:
    """A camera named "" has the topics `image` and `~/labels`, one named "left" `left/image` and `~/left/labels`."""

    def __init__(
        self, node: LifecycleNode, name: str, engine: Engine, settings: Parameters, transforms: Transforms
    ) -> None:
        self.name = name
        topic = node.resolve_topic_name(f"{name}/image".lstrip("/"))
        self._images = ImageInput(topic, settings.input_transport)
        self._backends = open_backends(settings.buffer_backends)
        self._inputs = OptionalInputs(node, name, topic, settings, transforms)
        # Last: it opens publishers.
        self.outputs = CameraOutputs(node, name, engine.spec, settings, self._update_inputs_soon)
        self.statistics = Statistics(settings.statistics_window_s)
        self._node, self._engine, self._settings = node, engine, settings
        self._subscription: BytesSubscription | BufferSubscription | None = None
        self.publish_ms = 0.0  # running mean
        self.counters = Counters()  # of the worker, while the node is active
        self.forget()

    def use(self, settings: Parameters) -> None:
        """Apply the parameters that can be changed while the node is active."""
        self._settings = settings
        self.statistics.window = settings.statistics_window_s
        self._inputs.tolerance_s = settings.points_tolerance_s

    def forget(self) -> None:
        """Reset the state, as on activation."""
        self.failure = self.last_failure = self._last_damage = ""
        self._image_seen = False
        self._no_images = ""
        self._last_image = perf_counter()
        self._input_size = "none"
        self._images.reset()
        self._inputs.forget()
        self.outputs.forget(errors=True)
        self.clock_jumped()

    def clock_jumped(self) -> None:
        """Discard the statistics, as they were measured with the node clock."""
        self.statistics.reset()
        self._inputs.clock_jumped()
        self.outputs.forget()
        self._age_ms, self._stamp_error = math.nan, ""

    def subscribe(self, put: Callable[[str, ReceivedImage], bool]) -> None:
        """Subscribe; images go to `put` with the camera's name, which returns whether one was dropped.

        Those that come earlier than the parameter max_rate allows are skipped and counted.
        """
        if self._subscription is not None:
            return
        last = -math.inf  # when an image was taken, in steps of the period

        def on_image(data: bytes | memoryview | DeviceImage | TypedImage) -> None:
            nonlocal last
            now = perf_counter()
            self._last_image, self._image_seen = now, True
            self._images.received(data)
            if rate := self._settings.max_rate:
                period = 1 / rate
                if now < last + (1 - TOLERANCE) * period:  # images come a little early or late
                    self.counters.skipped += 1
                    return
                last = last + period if now < last + 2 * period else now
            dropped = put(self.name, ReceivedImage(data, now, self._node.get_clock().now().nanoseconds))
            self.statistics.arrived(now, dropped=dropped)

        self._last_image = perf_counter()
        options = {
            "event_callbacks": subscription_events(self._node, self._images.topic),
            **overridable(IMAGE_QOS, OVERRIDABLE),
        }
        if self._backends:
            self._subscription = BufferSubscription(self._node, self._images.topic, on_image, self._backends, **options)
        else:
            kind = self._images.message_class
            typed = TypedImage if kind is Image else message_bytes
            self._subscription = BytesSubscription(
                self._node, kind, self._images.topic, on_image, typed=typed, **options
            )
        self._node.get_logger().info(f"active, images from {self._subscription.topic_name}")

    def unsubscribe(self) -> None:
        """Unsubscribe from the images."""
        if self._subscription is not None:
            self._subscription.destroy()
            self._subscription = None
            self.outputs.forget(errors=True)
        self._inputs.unsubscribe()

    def update_inputs(self) -> None:
        """Subscribe to what the outputs that have subscribers need beside the images."""
        if self._subscription is not None:
            self._inputs.update(self.outputs.wanted(self._settings).needs)

    def _update_inputs_soon(self) -> None:
        """From the worker's thread: subscriptions are made on the executor's."""
        if (executor := self._node.executor) is not None:
            executor.create_task(self.update_inputs)

    def decode(self, received: ReceivedImage, taken: float, settings: Parameters) -> DecodedFrame:
        """Decode an image message. Raises WireError, or ValueError if the size of the labels is not known yet."""
        try:
            picture = self._images.decode(received.data, settings.max_pixels)
        except DamagedImageError as err:
            self.counters.damaged += 1
            self.statistics.damaged(perf_counter())
            self._last_damage = str(err)
            if settings.damaged_images == "fail":
                raise
            picture = decode_damaged(err)
        return DecodedFrame(self.name, received, taken, perf_counter(), picture, self._inputs.label_size())

    def fail(self, reason: str) -> None:
        """Record that a frame was not labelled."""
        self.failure = self.last_failure = reason
        self.statistics.failed(perf_counter())

    def remaining_ms(self, frame: DecodedFrame, budget_ms: float) -> float:
        """Time left for the engine: the budget minus the time since arrival and the mean publishing time."""
        return budget_ms - milliseconds(perf_counter(), frame.received.monotonic) - self.publish_ms

    def publish(
        self,
        decoded: DecodedFrame,
        label_map: LabelMap,
        outputs: dict[str, Output],
        scored: tuple[int, ...],
        settings: Parameters,
    ) -> None:
        """Publish a frame on its outputs, those that were wanted. scored: classes that the label map has scores of."""
        engine = self._engine
        frame = LabelledFrame(
            decoded, label_map, scored, engine.name, engine.exit, settings, self._inputs, self.counters,
            perf_counter(),
            simulated=self._node.get_clock().ros_time_is_active,
        )  # fmt: skip
        self.outputs.publish(frame, outputs)
        stages, pixels = frame.stages, frame.picture.pixels
        self._age_ms, self._stamp_error = stages["age_ms"], stamp_error(frame.published_ns, frame.stamp)
        self._input_size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        self.publish_ms += 0.1 * (stages["publish_ms"] - self.publish_ms)
        self.statistics.finished(perf_counter(), stages, frame.exit, reduced=label_map.reduced)
        self.failure = ""
        logger = self._node.get_logger()
        if logger.is_enabled_for(LoggingSeverity.DEBUG):
            times = ", ".join(f"{name.removesuffix('_ms')} {value:.1f}" for name, value in stages.items())
            network = f"{frame.exit} at {label_map.input_rows} rows"
            text = f"{self.name or 'image'} {frame.stamp / 1e9:.3f}, {self._input_size}, {network}"
            logger.debug(f"{text}: ms {times}")  # noqa: G004  rclpy's logger takes no arguments

    def snapshot(self, common: Snapshot) -> Snapshot:
        """`common`, the state that all cameras share, completed with the state of this camera."""
        now = perf_counter()
        silence = now - self._last_image
        if self._subscription is not None:
            self._subscription.check()
            self._inputs.check()
        return replace(
            common,
            camera=self.name,
            silence=silence,
            no_images=self._why_no_images(silence > common.parameters.input_timeout_s),
            idle=self._subscription is None,
            first_image_seen=self._image_seen,
            failure=common.failure or (self.failure if common.state == "active" else ""),
            last_failure=self.last_failure,
            last_damage=self._last_damage,
            output_error=self.outputs.error(),
            stamp_error=self._stamp_error,
            metadata={**common.metadata, "input_size": self._input_size, **self.outputs.figures()},
            counters=vars(self.counters).copy(),
            statistics=self.statistics.summary(now),
            age_ms=self._age_ms,
        )

    def _why_no_images(self, late: bool) -> str:
        """Reason that the graph shows for a camera that is `late` with its first image; a new one is logged."""
        if not late or self._image_seen or self._subscription is None:
            return ""
        reason = why_no_images(self._node, self._subscription.topic_name, self._images.kind)
        if reason != self._no_images:
            self._no_images = reason
            if reason:
                self._node.get_logger().warning(f"no images yet: {reason}")
        return reason

    def close(self) -> None:
        """Destroy the subscription and the publishers."""
        self.unsubscribe()
        self.outputs.close()
