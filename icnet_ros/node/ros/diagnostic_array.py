"""The message on /diagnostics."""

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock
from rclpy.node import Node


def diagnostic_array(node: Node, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """The statuses with the time of the node's clock; the system's while that is 0, as before the first /clock.

    diagnostic_aggregator does not take a stamp of 0 for a time.
    """
    array, now = DiagnosticArray(status=list(statuses)), node.get_clock().now()
    array.header.stamp = (now if now.nanoseconds else Clock().now()).to_msg()
    return array
