"""State of one camera of the node: its topics, its statistics, and why its last frame failed."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

from rclpy.lifecycle import LifecycleNode
from rclpy.logging import LoggingSeverity

from icnet_ros.engine.base import Engine, Frame, LabelMap
from icnet_ros.node.diagnostics import Snapshot
from icnet_ros.node.image_input import ImageInput
from icnet_ros.node.optional_inputs import OptionalInputs
from icnet_ros.node.outputs.outputs import Outputs
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.releases import overridable
from icnet_ros.node.ros import IMAGE_QOS, OVERRIDABLE, subscription_events, why_no_images
from icnet_ros.node.serialized_subscription import SerializedSubscription
from icnet_ros.node.statistics import Statistics
from icnet_ros.node.transforms import Transforms
from icnet_ros.node.worker import Counters
from icnet_ros.wire.decoders.base import decode_damaged
from icnet_ros.wire.image import Picture, stamp_ns
from icnet_ros.wire.jpeg import DamagedImageError

TOLERANCE = 0.1  # share of the period of max_rate by which an image may be early
WITHOUT_POINTS = 4  # most labelled images that wait for a depth image
QUIET_S = 1.0  # images without a cloud are reported if there was none for so long
LOG_PERIOD_S = 5.0  # a problem that lasts is logged again after so long
FUTURE_S = 1.0  # stamps further in the future are invalid; clocks of two machines may differ by less


class ReceivedImage(NamedTuple):
    """Bytes of an image message, and when the callback received them (monotonic s, node clock ns)."""

    data: bytes | memoryview
    monotonic: float
    clock_ns: int


class Job(NamedTuple):
    """A decoded frame in the worker thread.

    taken, decoded: when each was done (monotonic s). size: (height, width) of its label map, None for the image's.
    """

    camera: "Camera"
    arrival: ReceivedImage
    taken: float
    decoded: float
    picture: Picture
    size: tuple[int, int] | None

    @property
    def frame(self) -> Frame:
        """The image as engine input."""
        return Frame(self.picture.pixels, self.picture.order, self.size, self.camera.name)


class Camera:
    """A camera named "" has the topics `image` and `~/labels`, one named "left" `left/image` and `~/left/labels`."""

    def __init__(
        self, node: LifecycleNode, name: str, engine: Engine, settings: Parameters, transforms: Transforms
    ) -> None:
        self.name = name
        self._topic = node.resolve_topic_name(f"{name}/image".lstrip("/"))
        self._images = ImageInput(self._topic, settings.input_transport)
        self._inputs = OptionalInputs(node, name, self._topic, settings, transforms)
        self.outputs = Outputs(node, name, engine, settings)  # last: it opens publishers
        self.statistics = Statistics(settings.statistics_window_s)
        self._node, self._engine = node, engine
        self._prefix = f"{name}: " if name else ""  # of log lines
        self._subscription: SerializedSubscription | None = None
        self._publish_ms = 0.0  # running mean
        self._last_cloud = perf_counter()
        self.forget()

    def use(self, settings: Parameters) -> None:
        """Apply the parameters that can be changed while the node is active."""
        self.statistics.window = settings.statistics_window_s
        self._inputs.tolerance_s = settings.points_tolerance_s

    def forget(self) -> None:
        """Reset the state, as on activation."""
        self.failure = self.last_failure = self._last_damage = ""
        self._image_seen = False
        self._no_images = ""
        self._last_image = perf_counter()
        self._input_size = "none"
        self._problems: dict[str, tuple[str, float]] = {}
        self._images.reset()
        self._inputs.forget()
        self.clock_jumped()

    def clock_jumped(self) -> None:
        """Discard the statistics, as they were measured with the node clock."""
        self.statistics.reset()
        self._inputs.clock_jumped()
        self._age_ms, self._stamp_trouble = math.nan, ""
        self._without_points: deque[tuple[Picture, LabelMap]] = deque(maxlen=WITHOUT_POINTS)

    # --- input ------------------------------------------------------------------------------------

    def subscribe(
        self, put: Callable[[str, ReceivedImage], bool], counters: Counters, max_rate: Callable[[], float]
    ) -> None:
        """Subscribe; images go to `put` with the camera's name, which returns whether one was dropped.

        max_rate: images per second; those that come earlier are skipped and counted. 0: no limit.
        """
        if self._subscription is not None:
            return
        last = -math.inf  # when an image was taken, in steps of the period

        def on_image(data: bytes | memoryview) -> None:
            nonlocal last
            now = perf_counter()
            self._last_image, self._image_seen = now, True
            self._images.received(data)
            if rate := max_rate():
                period = 1 / rate
                if now < last + (1 - TOLERANCE) * period:  # images come a little early or late
                    counters.skipped += 1
                    return
                last = last + period if now < last + 2 * period else now
            dropped = put(self.name, ReceivedImage(data, now, self._node.get_clock().now().nanoseconds))
            self.statistics.arrived(now, dropped=dropped)

        self._last_image = perf_counter()
        self._subscription = SerializedSubscription(
            self._node,
            self._images.message_class,
            self._images.topic,
            on_image,
            event_callbacks=subscription_events(self._node, self._images.topic),
            **overridable(IMAGE_QOS, OVERRIDABLE),
        )
        self._node.get_logger().info(f"active, images from {self._subscription.topic_name}")

    def unsubscribe(self) -> None:
        """Unsubscribe from the images."""
        if self._subscription is not None:
            self._subscription.destroy()
            self._subscription = None
        self._inputs.unsubscribe()

    def update_inputs(self) -> None:
        """Subscribe to what the outputs that have subscribers need beside the images."""
        if self._subscription is not None:
            self._inputs.update(
                camera_info=self.outputs.wants_camera_info(),
                points=self.outputs.wants_points(),
                cloud=self.outputs.wants_cloud(),
            )

    def decode(self, arrival: ReceivedImage, taken: float, settings: Parameters, counters: Counters) -> Job:
        """Decode an image message. Raises WireError, or ValueError if the size of the labels is not known yet."""
        try:
            picture = self._images.decode(arrival.data, settings.max_pixels)
        except DamagedImageError as err:
            counters.damaged += 1
            self.statistics.damaged(perf_counter())
            self._last_damage = str(err)
            if settings.damaged_images == "fail":
                raise
            picture = decode_damaged(err)
        return Job(self, arrival, taken, perf_counter(), picture, self._inputs.label_size())

    def fail(self, reason: str) -> None:
        """Record that a frame was not labelled."""
        self.failure = self.last_failure = reason
        self.statistics.failed(perf_counter())

    def remaining_ms(self, job: Job, budget_ms: float) -> float:
        """Time left for the engine: the budget minus the time since arrival and the mean publishing time."""
        return budget_ms - milliseconds(perf_counter(), job.arrival.monotonic) - self._publish_ms

    # --- output -----------------------------------------------------------------------------------

    def publish(self, job: Job, label_map: LabelMap, counters: Counters, settings: Parameters) -> None:
        """Publish the labels, then pictures and points, then the latency."""
        picture, started = job.picture, perf_counter()
        if settings.confidence_threshold and label_map.confidence is not None:
            unsure = label_map.confidence < 255 * settings.confidence_threshold
            label_map.labels[unsure] = self._engine.spec.classes.ignore
        self.outputs.publish_labels(picture, label_map, settings)
        stamp = stamp_ns(picture.header)
        now_ns = self._node.get_clock().now().nanoseconds
        self._age_ms, self._stamp_trouble = since_stamp(now_ns, stamp), stamp_error(now_ns, stamp)
        self._publish_camera_info(picture, label_map)
        self.outputs.publish_pictures(picture, label_map, settings)
        self._publish_points(picture, label_map)
        self._publish_cloud(picture, label_map)
        done = perf_counter()
        stages = {
            "transport_ms": since_stamp(job.arrival.clock_ns, stamp),
            "wait_ms": milliseconds(job.taken, job.arrival.monotonic),
            "decode_ms": milliseconds(job.decoded, job.taken),
            **{f"{stage}_ms": value for stage, value in label_map.stages.items()},
            "publish_ms": milliseconds(done, started),
            "total_ms": milliseconds(done, job.arrival.monotonic),
            "age_ms": self._age_ms,
        }
        self.outputs.publish_latency(picture.header, label_map, stages, counters)
        self._input_size = f"{picture.pixels.shape[1]}x{picture.pixels.shape[0]}"
        self._publish_ms += 0.1 * (stages["publish_ms"] - self._publish_ms)
        self.statistics.finished(done, stages, self._engine.exit, reduced=label_map.reduced)
        logger = self._node.get_logger()
        if logger.is_enabled_for(LoggingSeverity.DEBUG):
            times = ", ".join(f"{name.removesuffix('_ms')} {value:.1f}" for name, value in stages.items())
            network = f"{self._engine.exit} at {label_map.input_rows} rows"
            frame = f"{self.name or 'image'} {stamp / 1e9:.3f}, {self._input_size}, {network}"
            logger.debug(f"{frame}: ms {times}")  # noqa: G004  rclpy's logger takes no arguments

    def _publish_camera_info(self, picture: Picture, label_map: LabelMap) -> None:
        with self._reporting("camera_info", wanted=self.outputs.wants_camera_info()) as wanted:
            if wanted:
                if self._inputs.info is None:
                    raise ValueError("no CameraInfo of the camera was received; is its topic right?")
                self.outputs.publish_camera_info(picture, label_map, self._inputs.info)

    def _publish_points(self, picture: Picture, label_map: LabelMap) -> None:
        """Points of this image, or with the next image if the depth of its stamp is still to come."""
        waiting = self._without_points  # a jump of the clock puts another in its place
        if not self.outputs.wants_points():
            waiting.clear()
            self._problems.pop("points", None)
            return
        waiting.append((picture, label_map))
        now = stamp_ns(picture.header)
        while waiting:
            stamp = stamp_ns(waiting[0][0].header)
            soon = len(waiting) == 1 or 0 < now - stamp <= 1e9 * self._inputs.tolerance_s
            if soon and self._inputs.may_come_nearer(stamp):
                return
            with self._reporting("points"):
                self._publish_points_of(*waiting.popleft())

    def _publish_points_of(self, picture: Picture, label_map: LabelMap) -> None:
        found, info = self._inputs.depth_at(stamp_ns(picture.header)), self._inputs.depth_info
        if found is None or info is None:
            raise ValueError("no depth image or CameraInfo for this image; are their topics and stamps right?")
        self.outputs.publish_points(picture, label_map, *found, info)

    def _publish_cloud(self, picture: Picture, label_map: LabelMap) -> None:
        with self._reporting("cloud", wanted=self.outputs.wants_cloud()) as wanted:
            if not wanted:
                return
            found = self._inputs.cloud_at(stamp_ns(picture.header), str(picture.header.frame_id))
            info = self._inputs.info
            if found is not None and info is not None:
                self.outputs.publish_cloud(picture, *found, label_map, info)
                self._last_cloud = perf_counter()
            elif perf_counter() - self._last_cloud > QUIET_S:  # a LiDAR is slower than a camera
                unknown = "no cloud or CameraInfo for this image; are their topics and stamps right?"
                raise ValueError(self._problems.get("cloud", (unknown, 0.0))[0])

    @contextmanager
    def _reporting(self, output: str, *, wanted: bool = True) -> Iterator[bool]:
        """Turn a ValueError of an output into its problem: in /diagnostics, and in the log when new and every 5 s."""
        try:
            yield wanted
        except ValueError as err:  # also WireError
            now, (before, logged) = perf_counter(), self._problems.get(output, ("", -math.inf))
            if str(err) != before or now - logged > LOG_PERIOD_S:
                self._node.get_logger().warning(f"{self._prefix}no {output}: {err}")
                logged = now
            self._problems[output] = str(err), logged
        else:
            self._problems.pop(output, None)

    def snapshot(self, common: Snapshot, counters: Counters | None) -> Snapshot:
        """`common`, the state that all cameras share, completed with the state of this camera."""
        now = perf_counter()
        silence = now - self._last_image
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
            output_error="; ".join(f"no {output}: {problem}" for output, (problem, _) in list(self._problems.items())),
            stamp_error=self._stamp_trouble,
            metadata={**common.metadata, "input_size": self._input_size},
            counters=vars(counters).copy() if counters is not None else {},
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


def milliseconds(later: float, earlier: float) -> float:
    """Difference of two monotonic times (seconds) in ms."""
    return 1000 * (later - earlier)


def since_stamp(now_ns: int, stamp_ns: int) -> float:
    """Milliseconds from an image stamp to now; NaN for an invalid stamp, see `stamp_error`.

    Also NaN if no time has passed: simulated time stands still between two ticks of /clock.
    """
    return math.nan if now_ns == stamp_ns or stamp_error(now_ns, stamp_ns) else (now_ns - stamp_ns) / 1e6


def stamp_error(now_ns: int, stamp_ns: int) -> str:
    """Why a stamp is invalid (0, in the future, or no clock to compare it with); "" if it is valid."""
    if not stamp_ns:
        return "images carry no stamp: set header.stamp in the camera's driver"
    if not now_ns:
        return "use_sim_time is true, but nothing has been published on /clock yet"
    ahead = (stamp_ns - now_ns) / 1e9
    if ahead > FUTURE_S:
        return f"image stamps are {ahead:.1f} s in the future: synchronise the clocks, or correct use_sim_time"
    return ""
