"""Entry point of `segmentation_node`."""

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from icnet_ros.node.parameters import ParameterError
from icnet_ros.node.segmentation import SegmentationNode


def main() -> int:
    """Spin the node until SIGINT or SIGTERM; exit code 0, or 2 for parameters it cannot start with."""
    rclpy.init()
    try:
        node = SegmentationNode()
    except (ParameterError, rclpy.exceptions.ParameterException) as err:
        rclpy.logging.get_logger("icnet").fatal(str(err))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
