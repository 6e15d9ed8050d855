"""Entry point of `segmentation_node`."""

import logging
import os
import signal
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from icnet_ros.malloc import limit_malloc_arenas
from icnet_ros.node.exit_codes import CONFIGURATION_ERROR
from icnet_ros.node.parameter import ParameterError
from icnet_ros.node.parameters import by_name
from icnet_ros.node.ros.parameters import RosLog, check_arguments, checking_ros_arguments, log_fatal
from icnet_ros.node.ros.releases import spin_until
from icnet_ros.node.segmentation import SegmentationNode


def _signal_pipe() -> int:
    """Descriptor that becomes readable on SIGINT or SIGTERM, even while the main thread is in C code."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reading


def main() -> int:
    """Spin the node until SIGINT or SIGTERM; returns 0, or one of `exit_codes` if it could not start.

    rclpy's own signal handlers would shut down the ROS context before the current frame is published.
    """
    with checking_ros_arguments("icnet"):
        parameters = {name: entry.metadata["description"] for name, entry in by_name().items()}
        usage = "-p NAME:=VALUE -r image:=/camera/image_raw"
        check_arguments("segmentation_node", "Semantic segmentation of camera images with ICNet.", usage, parameters)
        limit_malloc_arenas()
        signal_fd = _signal_pipe()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = SegmentationNode()
    except (ParameterError, rclpy.exceptions.ParameterException) as err:
        log_fatal("icnet", str(err))
        rclpy.shutdown()
        return CONFIGURATION_ERROR
    log = logging.getLogger("icnet_ros")
    log.setLevel(logging.DEBUG)  # the node's logger has the level that the user chose
    log.addHandler(RosLog(node))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended: Future = Future()
    node.finish = ended.set_result

    def wait_for_signal() -> None:
        os.read(signal_fd, 1)
        node.get_logger().info("signal received: finishing the current frame, then shutting down")
        node.interrupted.set()
        ended.set_result(0)

    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    spin_until(executor, ended)
    node.stop()
    executor.shutdown()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # ignore signals while the interpreter exits
    node.destroy_node()
    rclpy.shutdown()
    if any(thread.name in ("build", "segment") for thread in threading.enumerate()):
        os._exit(0)  # native threads of a half-built engine or an abandoned frame would abort an ordinary exit
    return int(ended.result())


if __name__ == "__main__":
    raise SystemExit(main())
