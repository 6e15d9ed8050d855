"""Entry point of `segmentation_node`."""

import ctypes
import logging
import os
import signal
import threading
import traceback
from contextlib import suppress

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from icnet_ros.node.parameters import ParameterError
from icnet_ros.node.ros import RosLog
from icnet_ros.node.segmentation import SegmentationNode

M_ARENA_MAX = -8  # malloc.h


def _signal_pipe() -> int:
    """Descriptor that becomes readable on SIGINT or SIGTERM, even while the main thread is in C code."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reading


def _limit_malloc_arenas() -> None:
    """Limit the malloc arenas of glibc: with one per thread, memory grows with each rebuilt engine."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def main() -> int:
    """Spin the node until SIGINT or SIGTERM; exit code 0, 1 if `build_only` failed, 2 for invalid parameters.

    rclpy's own signal handlers would shut down the ROS context before the current frame is published.
    """
    _limit_malloc_arenas()
    signal_fd = _signal_pipe()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = SegmentationNode()
    except (ParameterError, rclpy.exceptions.ParameterException) as err:
        rclpy.logging.get_logger("icnet").fatal(str(err))
        rclpy.shutdown()
        return 2
    log = logging.getLogger("icnet_ros")
    log.setLevel(logging.INFO)
    log.addHandler(RosLog(node))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended: Future = Future()
    node.finish = ended.set_result

    def wait_for_signal() -> None:
        os.read(signal_fd, 1)
        node.interrupted.set()
        ended.set_result(0)

    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    while not ended.done():
        try:
            executor.spin_until_future_complete(ended)
        except Exception:  # an impossible transition raises through the executor in some releases
            node.get_logger().error(traceback.format_exc())
    node.stop()
    executor.shutdown()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # ignore signals while the interpreter exits
    node.destroy_node()
    rclpy.shutdown()
    if any(thread.name == "build" for thread in threading.enumerate()):
        os._exit(0)  # native threads of a half-built engine would abort an ordinary exit
    return int(ended.result())


if __name__ == "__main__":
    raise SystemExit(main())
