"""Incompatible QoS of subscribers, by the comparison of the middleware in use."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy

from icnet_ros.node.ros import qos

OFFERED = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
REQUESTED = {
    "reliability": QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE),
    "durability": QoSProfile(
        depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.TRANSIENT_LOCAL
    ),
}


def node(requested):
    """A node that publishes with OFFERED, and what the graph shows of a subscriber."""
    me = SimpleNamespace(node_name="icnet", node_namespace="/", qos_profile=OFFERED)
    subscriber = SimpleNamespace(qos_profile=requested, endpoint_gid=bytes(16))
    return SimpleNamespace(
        get_name=lambda: "icnet",
        get_namespace=lambda: "/",
        get_publishers_info_by_topic=lambda _: [me],
        get_subscriptions_info_by_topic=lambda _: [subscriber],
    )


@pytest.mark.parametrize("policy", REQUESTED)
def test_the_policy_is_named(policy):
    """As the DDS middleware here says."""
    assert list(qos.incompatible_subscribers(node(REQUESTED[policy]), "/icnet/labels").values()) == [policy]


@pytest.mark.parametrize("answer", [QoSCompatibility.OK, QoSCompatibility.WARNING])
@pytest.mark.parametrize("policy", REQUESTED)
def test_what_the_middleware_calls_compatible_is_not_reported(monkeypatch, policy, answer):
    """rmw_zenoh calls no profiles incompatible: at most a warning (rmw_zenoh_cpp 0.10.5)."""
    monkeypatch.setattr(qos, "qos_check_compatible", lambda *_: (answer, "WARNING: durability"))
    assert qos.incompatible_subscribers(node(REQUESTED[policy]), "/icnet/labels") == {}
