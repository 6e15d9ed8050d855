"""The bond with a lifecycle manager, as Nav2's waits for it (createBondConnection)."""

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from lifecycle_msgs.msg import State, Transition
from std_msgs.msg import String

STAND_IN = Path(__file__).parent / "stand_ins" / "bonds"
BOND_TIMEOUT = 4.0  # s, Nav2's default


@pytest.fixture
def bondpy():
    return pytest.importorskip("bondpy.bondpy", reason="bondpy is not installed (apt install ros-$ROS_DISTRO-bondpy)")


def bring_up(graph):
    assert graph.change(Transition.TRANSITION_CONFIGURE)
    assert graph.change(Transition.TRANSITION_ACTIVATE)


def manager_bond(graph, bondpy):
    bond = bondpy.Bond(graph.node, "bond", "icnet")
    bond.heartbeat_timeout, bond.heartbeat_period = BOND_TIMEOUT, 0.25
    bond.start()
    return bond


def formed(graph, bond):
    """Until the second heartbeat: bondpy watches for the next one only from then on."""
    graph.spin_until(lambda: bond.sm.getState().getName() == "SM.Alive", BOND_TIMEOUT / 2)
    graph.spin_for(1.0)


def forget(graph, bond):
    """As a manager does that dies: without a last word."""
    with bond.lock:
        bond.is_shutdown = True
        bond.condition.notify_all()
        bond.heartbeat_timer.cancel()
    graph.node.destroy_subscription(bond.sub)
    graph.node.destroy_publisher(bond.pub)
    bond.sub = bond.pub = None


def test_a_manager_forms_a_bond_that_deactivation_ends(graph, model, bondpy):
    process = graph.start_node(model, autostart=False, fresh=True)
    bring_up(graph)
    for transition in (Transition.TRANSITION_ACTIVATE, None):
        bond = manager_bond(graph, bondpy)
        formed(graph, bond)
        graph.spin_for(BOND_TIMEOUT)
        assert not bond.is_broken()
        assert graph.change(Transition.TRANSITION_DEACTIVATE)
        graph.spin_until(bond.is_broken, 1.0)
        forget(graph, bond)
        graph.spin_until(lambda: graph.node.count_publishers("/bond") == 0)
        if transition is not None:
            assert graph.change(transition)
    assert "Traceback" not in process.text


@pytest.mark.parametrize(("sign", "within"), [(signal.SIGINT, 1.0), (signal.SIGKILL, BOND_TIMEOUT + 1)])
def test_a_manager_sees_that_the_node_ended(graph, model, bondpy, sign, within):
    process = graph.start_node(model, autostart=False, fresh=True)
    bring_up(graph)
    bond = manager_bond(graph, bondpy)
    formed(graph, bond)
    process.popen.send_signal(sign)
    graph.spin_until(bond.is_broken, within)
    forget(graph, bond)


def test_the_node_outlives_its_manager_and_takes_another(graph, model, bondpy):
    process = graph.start_node(model, autostart=False, fresh=True)
    bring_up(graph)
    for _ in range(2):
        bond = manager_bond(graph, bondpy)
        formed(graph, bond)
        forget(graph, bond)
        graph.spin_for(BOND_TIMEOUT + 1)
        assert graph.state() == State.PRIMARY_STATE_ACTIVE
        assert graph.change(Transition.TRANSITION_DEACTIVATE)
        assert graph.change(Transition.TRANSITION_ACTIVATE)
    assert "Traceback" not in process.text


def test_heartbeats_come_while_the_node_is_active_and_managed(graph, model):
    graph.environment["PYTHONPATH"] = os.pathsep.join((str(STAND_IN), os.environ.get("PYTHONPATH", "")))
    process = graph.start_node(model, autostart=False, fresh=True)
    beats, _ = graph.listen(String, "/bond")
    assert graph.change(Transition.TRANSITION_CONFIGURE)
    assert not graph.node.count_publishers("/bond")
    for leave in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVE_SHUTDOWN):
        beats.clear()
        assert graph.change(Transition.TRANSITION_ACTIVATE)
        graph.spin_until(lambda: len(beats) > 4)
        assert {beat.data for beat in beats} == {"icnet alive"}
        assert graph.change(leave)
        graph.spin_until(lambda: beats[-1].data == "icnet dead")
        graph.spin_until(lambda: not graph.node.count_publishers("/bond"))
    assert graph.node.count_subscribers("/bond") == 1  # that of the test
    assert "Traceback" not in process.text


def test_a_node_that_starts_itself_sends_none(graph, model):
    graph.environment["PYTHONPATH"] = os.pathsep.join((str(STAND_IN), os.environ.get("PYTHONPATH", "")))
    graph.start_node(model, fresh=True)
    graph.camera()
    graph.spin_for(1.0)
    assert not graph.node.count_publishers("/bond")


def test_without_bondpy_the_log_says_what_to_do(graph, model, tmp_path):
    (tmp_path / "bondpy.py").write_text('raise ImportError("no bondpy here")')
    graph.environment["PYTHONPATH"] = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    process = graph.start_node(model, autostart=False, fresh=True)
    bring_up(graph)
    graph.spin_until(lambda: "bond_timeout of Nav2's manager to 0.0" in process.text)
    assert "no bondpy here" in process.text
    assert graph.state() == State.PRIMARY_STATE_ACTIVE
