"""QoS profiles, and what is logged about publishers and subscribers with incompatible ones."""

from collections.abc import Callable
from typing import Protocol

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

from icnet_ros.node.ros.releases import CAN_REPORT_MATCHES, PublisherEventCallbacks, SubscriptionEventCallbacks

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


class _Incompatible(Protocol):
    """Event of rclpy: a publisher whose QoS is incompatible."""

    last_policy_kind: int


class _Matched(Protocol):
    """Event of rclpy: the number of subscribers changed."""

    current_count_change: int


def subscription_events(node: Node, topic: str) -> SubscriptionEventCallbacks:
    """Callbacks that log what to do if the QoS of a publisher is incompatible."""

    def incompatible(event: _Incompatible) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        node.get_logger().error(
            f"A publisher on {topic} offers an incompatible QoS ({policy}): its images are not received. "
            f"Relax the QoS of this node with -p qos_overrides.{topic}.subscription.{policy.lower()}:=..., "
            "or change the publisher."
        )

    return SubscriptionEventCallbacks(incompatible_qos=incompatible, use_default_callbacks=False)


def matched_events(on_match: Callable[[], None]) -> PublisherEventCallbacks:
    """`on_match` is called for every new subscriber, where rclpy reports them (after Humble)."""

    def matched(event: _Matched) -> None:
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
