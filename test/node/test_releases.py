"""Differences between releases of rclpy, with stand-ins for those that are not at hand."""

import runpy
import sys
import types
from pathlib import Path

import pytest

from icnet_ros.dds import this_machine_only

SOURCE = Path(__file__).parents[2] / "icnet_ros" / "node" / "ros" / "releases.py"


class HumbleEvents:
    """As in rclpy 3.3: no `matched`."""

    def __init__(self, *, deadline=None, liveliness=None, incompatible_qos=None, use_default_callbacks=True):
        pass


class JazzyEvents:
    """As from rclpy 7.1 on."""

    def __init__(
        self, *, deadline=None, liveliness=None, incompatible_qos=None, incompatible_type=None, matched=None,
        use_default_callbacks=True,
    ):  # fmt: skip
        pass


def module(name, **content):
    made = types.ModuleType(name)
    made.__dict__.update(content)
    return made


@pytest.mark.parametrize(
    ("events", "callbacks", "matches"),
    [("rclpy.qos_event", HumbleEvents, False), ("rclpy.event_handler", JazzyEvents, True)],
)
def test_event_callbacks_are_found_where_the_release_has_them(monkeypatch, events, callbacks, matches):
    for name in list(sys.modules):
        if name.split(".")[0] == "rclpy":
            monkeypatch.delitem(sys.modules, name)
    fakes = {
        "rclpy": module("rclpy", __path__=[]),
        "rclpy.executors": module("rclpy.executors", Executor=object),
        "rclpy.logging": module("rclpy.logging", get_logger=print),
        "rclpy.qos": module("rclpy.qos", QoSProfile=object),
        "rclpy.qos_overriding_options": module("rclpy.qos_overriding_options", QoSOverridingOptions=object),
        "rclpy.task": module("rclpy.task", Future=object),
        events: module(events, PublisherEventCallbacks=callbacks, SubscriptionEventCallbacks=object),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    found = runpy.run_path(str(SOURCE))
    assert found["PublisherEventCallbacks"] is callbacks
    assert found["CAN_REPORT_MATCHES"] is matches


def test_overrides_of_one_topic_do_not_reach_another():
    pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from rclpy.qos_overriding_options import QoSOverridingOptions

    from icnet_ros.node.ros.releases import overridable

    shared = QoSProfile(depth=3)
    given = overridable(shared, QoSOverridingOptions([]))["qos_profile"]
    assert given == shared
    given.durability = DurabilityPolicy.TRANSIENT_LOCAL  # as rclpy does for an override
    assert shared.durability != DurabilityPolicy.TRANSIENT_LOCAL


def test_spinning_goes_on_after_an_exception_and_ends_with_the_future():
    pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
    from rclpy.task import Future

    from icnet_ros.node.ros.releases import spin_until

    class Executor:
        def __init__(self):
            self.spun, self.woken = 0, 0

        def spin_once(self):
            self.spun += 1
            if self.spun == 1:
                raise RuntimeError("a callback failed")
            if self.spun == 3:
                ended.set_result(0)

        def wake(self):
            self.woken += 1

    ended, executor = Future(), Executor()
    spin_until(executor, ended)
    assert (executor.spun, executor.woken) == (3, 1)


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [
        ("humble", "ROS_LOCALHOST_ONLY"),
        ("jazzy", "ROS_AUTOMATIC_DISCOVERY_RANGE"),
        ("lyrical", "ROS_AUTOMATIC_DISCOVERY_RANGE"),
    ],
)
def test_discovery_is_limited_by_the_variable_of_the_distribution(distribution, variable):
    assert list(this_machine_only({"ROS_DISTRO": distribution})) == [variable]
