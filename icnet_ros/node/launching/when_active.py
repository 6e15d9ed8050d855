"""`python -m icnet_ros.node.launching.when_active NODE COMMAND...`: runs a command once a lifecycle node is active."""

import os
import sys

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException

SERVICE_TIMEOUT_S = 2.0  # of one call


def main() -> int:
    """Polls get_state, as the transition event may have been published before this process subscribed."""
    name, *command = sys.argv[1:]
    rclpy.init()
    node = rclpy.create_node("when_active")
    client = node.create_client(GetState, f"{name}/get_state")
    try:
        while rclpy.ok():
            client.wait_for_service(SERVICE_TIMEOUT_S)
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=SERVICE_TIMEOUT_S)
            if future.done() and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                break
        else:
            return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 1
    finally:
        rclpy.try_shutdown()
    os.execvp(command[0], command)  # noqa: S606  its signals and its exit code are the command's
    return 0  # never


if __name__ == "__main__":
    raise SystemExit(main())
