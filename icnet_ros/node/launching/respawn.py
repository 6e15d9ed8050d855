"""Starts a node again that died, but not one that cannot work with its settings."""

from collections.abc import Callable, Sequence

from launch.actions import RegisterEventHandler, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch_ros.actions import Node

from icnet_ros.node.exit_codes import CONFIGURATION_ERROR
from launch import Action, LaunchContext

DELAY_S = 2.0


def respawning(make: Callable[[], Node]) -> list[Action]:
    """The node that `make` returns, and another one after it died.

    The `respawn` of launch would start it for ever if a setting cannot be used.
    """
    node = make()

    def again(event: ProcessExited, context: LaunchContext) -> Sequence[Action]:
        if context.is_shutdown or event.returncode in (0, CONFIGURATION_ERROR):
            return []
        return [TimerAction(period=DELAY_S, actions=respawning(make))]

    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=again))]
