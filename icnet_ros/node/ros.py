"""rclpy helpers of the nodes: QoS profiles, parameters, logging, QoS events."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.utilities import remove_ros_args

from icnet_ros.engine.base import EngineError
from icnet_ros.node.exit_codes import CONFIGURATION_ERROR
from icnet_ros.node.parameters import ParameterError, Parameters, allowed, by_name, ros_value
from icnet_ros.node.releases import CAN_REPORT_MATCHES, PublisherEventCallbacks, SubscriptionEventCallbacks
from icnet_ros.wire.decoders.table import base_of, image_types, topic_of, transports

# Only the newest image matters. Older ones are dropped, and counted, in the worker's mailbox; a DDS queue of
# depth 1 would lose images uncounted if two arrive together.
IMAGE_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
OUTPUT_QOS = QoSProfile(depth=1)
# Every policy that can be incompatible, so that the advice below can be followed; history and depth as well.
OVERRIDABLE = QoSOverridingOptions(
    [
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
        QoSPolicyKind.DEADLINE,
        QoSPolicyKind.LIVELINESS,
        QoSPolicyKind.LIVELINESS_LEASE_DURATION,
    ]
)


def declare(node: Node) -> Parameters:
    """Declare all parameters on the node and return their initial values. Raises ParameterError.

    Unknown names: see `check_overrides`.
    """
    check_overrides(node, list(by_name()))
    return Parameters(
        **{
            name: node.declare_parameter(name, ros_value(entry.default), _descriptor(entry)).value
            for name, entry in by_name().items()
        }
    )


def check_overrides(node: Node, names: Sequence[str]) -> None:
    """Raise ParameterError if a parameter that was given is none of `names`, but resembles one.

    Other unknown names may be meant for another node that reads the same file: they are logged and ignored.
    """
    for name in node._parameter_overrides:  # noqa: SLF001  no public API
        if name in names or name == "use_sim_time" or name.startswith(("qos_overrides.", "start_type_description")):
            continue
        if near := get_close_matches(name, names, 1):
            raise ParameterError(f"there is no parameter {name!r}; did you mean {near[0]!r}?")
        node.get_logger().warning(f"There is no parameter {name!r}: it is ignored.")


def check_arguments(program: str, description: str, usage: str, parameters: Mapping[str, str]) -> None:
    """Handle --help; exit with code 2 for other arguments than those between --ros-args and --.

    usage: example of ROS arguments. parameters: descriptions by name.
    """
    listing = "\n".join(f"  {name}: {text}" for name, text in parameters.items())
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"ros2 run icnet_ros {program} --ros-args {usage}",
        description=description,
        epilog=f"parameters:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(remove_ros_args(sys.argv)[1:])


@contextmanager
def checking_ros_arguments(name: str) -> Iterator[None]:
    """End the process with CONFIGURATION_ERROR and a message if rclpy cannot use an argument or a parameter file.

    name: of the node, for the message; there is no logger yet.
    """
    try:
        yield
    except RuntimeError as err:
        reason = str(err).partition(", at /")[0].strip()  # then come places in rcl's source
        print(f"[FATAL] [{name}]: ROS arguments or a parameter file cannot be used: {reason}", file=sys.stderr)
        raise SystemExit(CONFIGURATION_ERROR) from None


def _descriptor(entry: "Field[Any]") -> ParameterDescriptor:
    limits = entry.metadata["range"]
    descriptor = ParameterDescriptor(
        description=entry.metadata["description"],
        additional_constraints=allowed(entry),
        read_only=entry.metadata["change"] == "start",
    )
    if limits and isinstance(entry.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
    elif limits:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor


def message_class(kind: str) -> type:
    """The class of a message type such as "sensor_msgs/msg/Image". Raises EngineError if its package is missing."""
    package, _, name = kind.split("/")
    try:
        found: type = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as err:
        apt = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise EngineError(f"messages of type {kind} need the ROS package {package}: apt install {apt}") from err
    return found


def duplicate_names(node: Node) -> int:
    """How many other nodes on the graph have this node's name and namespace."""
    me = node.get_name(), node.get_namespace()
    others: int = node.get_node_names_and_namespaces().count(me) - 1
    return max(others, 0)


def why_no_images(node: Node, topic: str, kind: str) -> str:
    """Why no images of type `kind` come on `topic`, as far as the graph shows; "" if somebody publishes them."""
    published = {info.topic_type for info in node.get_publishers_info_by_topic(topic)}
    if kind in published:
        return ""
    if published:
        return f"{topic} is published as {', '.join(sorted(published))}, not as {kind}"
    base = base_of(topic)
    for transport in transports():
        if (other := topic_of(base, transport)) != topic and node.count_publishers(other):
            return f"nobody publishes {topic}, but {other} is published: set input_transport to {transport}"
    own, types = f"{node.get_fully_qualified_name()}/", set(image_types())
    images = [
        name
        for name, kinds in node.get_topic_names_and_types()
        if not types.isdisjoint(kinds) and node.count_publishers(name) and not name.startswith(own)
    ]
    near = get_close_matches(topic, images, 1, cutoff=0.5) or images[:1]
    return f"nobody publishes {topic}" + (f"; {near[0]} is an image topic" if near else "")


class RosLog(logging.Handler):
    """Forwards log records of the packages without ROS to the node's logger and /rosout."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        elif record.levelno >= logging.INFO:
            self._logger.info(record.getMessage())
        else:
            self._logger.debug(record.getMessage())


def subscription_events(node: Node, topic: str) -> SubscriptionEventCallbacks:
    """Callbacks that log what to do if the QoS of a publisher is incompatible."""

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        node.get_logger().error(
            f"A publisher on {topic} offers an incompatible QoS ({policy}): its images are not received. "
            f"Relax the QoS of this node with -p qos_overrides.{topic}.subscription.{policy.lower()}:=..., "
            "or change the publisher."
        )

    return SubscriptionEventCallbacks(incompatible_qos=incompatible, use_default_callbacks=False)


def matched_events(on_match: Callable[[], None]) -> PublisherEventCallbacks:
    """`on_match` is called for every new subscriber, where rclpy reports them (after Humble)."""

    def matched(event: Any) -> None:
        if event.current_count_change > 0:
            on_match()

    more = {"matched": matched} if CAN_REPORT_MATCHES else {}
    return PublisherEventCallbacks(use_default_callbacks=False, **more)


# An event handler for each publisher would cost CPU time with every image, and not every middleware has such events:
# the subscribers that the graph shows are compared instead, when the diagnostics are published.
NO_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)


def incompatible_subscribers(node: Node, topic: str) -> dict[str, str]:
    """Subscribers on `topic` that cannot receive what this node publishes: id of the endpoint -> name of the policy."""
    me = node.get_name(), node.get_namespace()
    # As the graph has it: the profile that the publisher was made with says "default" where the subscriber's says how
    # long.
    offers = [
        info.qos_profile
        for info in node.get_publishers_info_by_topic(topic)
        if (info.node_name, info.node_namespace) == me
    ]
    found = {}
    for info in node.get_subscriptions_info_by_topic(topic):
        for offered in offers[:1]:
            compatible, reason = qos_check_compatible(offered, info.qos_profile)
            if compatible == QoSCompatibility.ERROR:
                found[bytes(info.endpoint_gid).hex()] = _policy(offered, info.qos_profile, reason)
    return found


def _policy(offered: QoSProfile, requested: QoSProfile, reason: str) -> str:
    best_effort, volatile = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE
    if offered.reliability == best_effort and requested.reliability == ReliabilityPolicy.RELIABLE:
        return "reliability"
    if offered.durability == volatile and requested.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        return "durability"
    return "deadline" if "deadline" in reason.lower() else "liveliness"


def incompatible_subscriber(topic: str, policy: str) -> str:
    """What to log about a subscriber of `incompatible_subscribers`."""
    return (
        f"A subscriber on {topic} requests an incompatible QoS ({policy.upper()}): it receives no messages. "
        f"Relax the QoS of the subscriber, or set -p qos_overrides.{topic}.publisher.{policy}:=... here."
    )
