"""The bond by which a lifecycle manager, such as Nav2's, learns that the node it manages has died."""

from contextlib import suppress
from importlib import import_module
from typing import Any

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode

TOPIC = "bond"  # relative, as of Nav2's manager: both are in one namespace
HEARTBEAT_PERIOD = 0.25  # s, as of Nav2's nodes; its manager waits for 4 s
NEVER = 1e6  # s: as Nav2's nodes, this one stays active without its manager; bondpy can time out but once in a process
LAST_WORD = Duration(seconds=0.2)  # for the end of the bond to arrive, before its publisher is destroyed


class ManagerBond:
    """Heartbeats of an active node, from a thread of bondpy. Without that package there are none."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Any = None

    def form(self) -> None:
        """Begin the heartbeats. Waits for nobody: without a manager they end after 10 s."""
        if self._bond is not None:
            return
        try:
            bond_class = import_module("bondpy.bondpy").Bond
        except ImportError as err:
            self._node.get_logger().info(
                f"no bond with a lifecycle manager ({err}): apt install ros-$ROS_DISTRO-bondpy, or set bond_timeout of "
                "Nav2's manager to 0.0"
            )
            return
        self._bond = bond_class(self._node, TOPIC, self._node.get_name())
        self._bond.heartbeat_timeout = NEVER
        self._bond.heartbeat_period = HEARTBEAT_PERIOD
        self._bond.start()

    def end(self) -> None:
        """Tell the manager that the heartbeats end on purpose. Called on the executor's thread, as `form`."""
        if self._bond is None:
            return
        bond, self._bond = self._bond, None
        bond.break_bond()
        with suppress(Exception):  # not every middleware can
            bond.pub.wait_for_all_acked(LAST_WORD)
        bond.shutdown()
        # bondpy leaves both in the node's lists, and its timers keep the bond: the executor would still wait for the
        # events of what is destroyed, which ends it with an exception.
        self._node.destroy_subscription(bond.sub)
        self._node.destroy_publisher(bond.pub)
        bond.sub = bond.pub = None
