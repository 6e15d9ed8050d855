"""`python -m icnet_ros.node.when_active NODE COMMAND...`: runs a command once a lifecycle node is active."""

import os
import sys

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException

PATIENCE_S = 2.0  # for one answer


def main() -> int:
    """Asks the node for its state: an event about it may have come before anybody listened."""
    name, *command = sys.argv[1:]
    rclpy.init()
    asker = rclpy.create_node("when_active")
    client = asker.create_client(GetState, f"{name}/get_state")
    try:
        while True:
            client.wait_for_service(PATIENCE_S)
            asked = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(asker, asked, timeout_sec=PATIENCE_S)
            if asked.done() and asked.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                break
    except (KeyboardInterrupt, ExternalShutdownException):
        return 1
    finally:
        rclpy.try_shutdown()
    os.execvp(command[0], command)  # noqa: S606  its signals and its exit code are the command's
    return 0  # never


if __name__ == "__main__":
    raise SystemExit(main())
