"""All outputs of one camera: their publishers, what they need, and why one of them cannot be published."""

import math
import re
import traceback
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.node.frame import LabelledFrame, NotYet
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.base import Output, Publisher, Topic
from icnet_ros.node.outputs.table import OUTPUTS
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros.qos import (
    NO_EVENTS,
    OVERRIDABLE,
    incompatible_subscriber,
    incompatible_subscribers,
    matched_events,
)
from icnet_ros.node.ros.releases import CAN_REPORT_MATCHES, overridable

LOG_PERIOD_S = 5.0  # an error that lasts is logged again after so long
PATIENCE_S = 2.0  # what an output needs may come so long after its first subscriber


class _Error(NamedTuple):
    """Why an output cannot be published or may be wrong, and when that was logged (monotonic s)."""

    text: str
    logged: float


class Wanted(NamedTuple):
    """Outputs that are published for a frame, by name and in order, and what they need of it."""

    outputs: dict[str, Output]
    needs: Needs


def _without_numbers(text: str) -> str:
    """To compare texts of which only the numbers differ from frame to frame, such as the stamps in those of tf2."""
    return re.sub(r"[-+]?\d[\d.]*", "0", text)


class CameraOutputs:
    """Lifecycle publishers for one camera; latched topics are also published while the node is inactive."""

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        spec: ModelSpec,
        settings: Parameters,
        on_change: Callable[[], None],
    ) -> None:
        """camera: its topics are `~/CAMERA/labels` and so on, `~/labels` if it is "".

        on_change: called by `publish` when other outputs are wanted than for the frame before. Raises EngineError.
        """
        self._node, self._camera, self._on_change = node, camera, on_change
        self._errors: dict[str, _Error] = {}  # by output
        self._announced = 0  # subscribers of latched topics when they were last counted
        self._matched: dict[str, tuple[Output, Topic]] = {}  # latched topics with a new subscriber since the last check
        self._last: set[str] = set()  # names of the outputs that were wanted for the last frame
        self._since: dict[str, float] = {}  # when that began (monotonic s), by output
        self._reported: set[str] = set()  # endpoints of subscribers with an incompatible QoS
        self._publishers: list[Publisher] = []
        self.outputs = {name: output(spec, settings) for name, output in OUTPUTS.items()}
        try:
            for output in self.outputs.values():
                for topic in output.topics:
                    output.publishers[topic.name] = self._open(output, topic)
        except BaseException:
            self.close()
            raise
        ordered = sorted(self.outputs.items(), key=lambda entry: (entry[1].last, not entry[1].always))
        self._ordered = [
            (name, output) for name, output in ordered if not all(topic.latched for topic in output.topics)
        ]

    def _open(self, output: Output, topic: Topic) -> Publisher:
        name = f"~/{self._camera}/{topic.name}" if self._camera else f"~/{topic.name}"
        # Latched topics have no lifecycle publisher: they are published while the node is inactive, and again for every
        # new volatile subscriber, which would miss the latched message.
        create = self._node.create_publisher if topic.latched else self._node.create_lifecycle_publisher
        events = matched_events(partial(self._on_match, output, topic)) if topic.latched else NO_EVENTS
        publisher: Publisher = create(
            topic.message, name, event_callbacks=events, **overridable(topic.qos, OVERRIDABLE)
        )
        self._publishers.append(publisher)
        return publisher

    def announce(self) -> None:
        """Publish the latched topics, for current and later subscribers."""
        for output, topic in self._latched():
            self._announce(output, topic)

    def _announce(self, output: Output, topic: Topic) -> None:
        message = output.latched(topic.name)
        message.header.stamp = self._node.get_clock().now().to_msg()
        output.send(topic.name, message)

    def _on_match(self, output: Output, topic: Topic) -> None:
        """Publish again for a new subscriber, now and with the next check: it may not be ready to receive yet."""
        self._announce_to_volatile(output, topic)
        self._matched[topic.name] = output, topic

    def _announce_to_volatile(self, output: Output, topic: Topic) -> None:
        """Others get the latched message from the middleware, and would report a second one of the same as a loss."""
        name = output.publishers[topic.name].topic_name if topic.name in output.publishers else ""
        subscribers = self._node.get_subscriptions_info_by_topic(name) if name else []
        if any(one.qos_profile.durability == DurabilityPolicy.VOLATILE for one in subscribers):
            self._announce(output, topic)

    def _latched(self) -> list[tuple[Output, Topic]]:
        return [(output, topic) for output in self.outputs.values() for topic in output.topics if topic.latched]

    def wanted(self, settings: Parameters) -> Wanted:
        """What is to be published for the next frame."""
        outputs = {name: output for name, output in self._ordered if output.wanted(settings)}
        needs = Needs()
        for output in outputs.values():
            needs |= output.needs
        return Wanted(outputs, needs)

    def has_subscribers(self) -> bool:
        """Whether anyone subscribes to what is computed from images."""
        return any(output.has_subscribers() for _, output in self._ordered)

    def publish(self, frame: LabelledFrame, outputs: dict[str, Output]) -> None:
        """Publish a frame on the outputs that `wanted` gave before it was labelled.

        Raises what an output raises that is published for every frame; others only log why they cannot be published.
        """
        if changed := self._last ^ outputs.keys():
            for name in changed:
                self.outputs[name].reset()
                self._errors.pop(name, None)
                self._since[name] = perf_counter()
            self._last = set(outputs)
            self._on_change()
        for name, output in outputs.items():
            if output.always:
                output.publish(frame)
                frame.published_ns = frame.published_ns or self._node.get_clock().now().nanoseconds
            else:
                self._try(name, output, frame)

    def _try(self, name: str, output: Output, frame: LabelledFrame) -> None:
        try:
            output.publish(frame)
        except NotYet:
            return
        except ValueError as err:  # also WireError
            if perf_counter() > self._since[name] + PATIENCE_S:
                self._failed(name, f"no {name}: {err}")
        except Exception as err:  # a defect of one output must not take the labels with it
            self._failed(name, f"no {name}: {type(err).__name__}: {err}", traceback.format_exc())
        else:
            if output.warning:
                self._failed(name, f"{name}: {output.warning}")
            else:
                self._errors.pop(name, None)

    def _failed(self, name: str, text: str, details: str = "") -> None:
        """Log why an output cannot be published, or may be wrong, when that is new and every LOG_PERIOD_S."""
        now, before = perf_counter(), self._errors.get(name, _Error("", -math.inf))
        logged = before.logged
        if _without_numbers(text) != _without_numbers(before.text) or now - logged > LOG_PERIOD_S:
            prefix = f"{self._camera}: " if self._camera else ""
            self._node.get_logger().warning("\n".join(filter(None, (prefix + text, details))))
            logged = now
        self._errors[name] = _Error(text, logged)

    def error(self) -> str:
        """Which outputs that have subscribers cannot be published, or may be wrong, and why; "" if all are well."""
        return "; ".join(error.text for error in list(self._errors.values()))

    def figures(self) -> dict[str, str]:
        """Values of the outputs for /diagnostics."""
        return {key: value for output in self.outputs.values() for key, value in output.figures.items()}

    def forget(self, *, errors: bool = False) -> None:
        """Drop earlier frames that outputs wait with, as after a jump of the clock; with `errors`, also those.

        What outputs need is then waited for anew, as on activation.
        """
        for output in self.outputs.values():
            output.reset()
        if errors:
            self._errors, self._last = {}, set()

    def check_subscribers(self) -> None:
        """Log subscribers with an incompatible QoS once. Where rclpy reports no matches, announce again."""
        if not CAN_REPORT_MATCHES:
            count = sum(output.publishers[topic.name].get_subscription_count() for output, topic in self._latched())
            if count > self._announced:
                self.announce()
            self._announced = count
        matched, self._matched = self._matched, {}
        for output, topic in matched.values():
            self._announce_to_volatile(output, topic)
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
