"""Helpers of the benchmarks: a node under test, load, and an rclpy node that sends and receives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

CLOCK_TICK = os.sysconf("SC_CLK_TCK")
DISCOVERY_S = 1.0  # a match is reported before the other side is ready for data


@contextmanager
def node_under_test(
    parameters: Mapping[str, object], *, module: str = "icnet_ros.node.main", arguments: Sequence[str] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """A segmentation node with these parameters, until the end of the block."""
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", module, "--ros-args", *arguments, *words]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process with SIGINT; one that does not end would slow down all that is measured after it, so it is killed.

    Raises subprocess.TimeoutExpired then.
    """
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextmanager
def participant(name: str) -> Iterator[Node]:
    """An rclpy node, until the end of the block."""
    rclpy.init()
    try:
        yield rclpy.create_node(name)
    finally:
        rclpy.try_shutdown()


@contextmanager
def busy_processes(count: int = 0, on: float = 3600.0, off: float = 0.0) -> Iterator[None]:
    """`count` processes (0: one for each core) that are alternately busy for `on` seconds and idle for `off`."""
    code = f"import time\nwhile 1:\n e = time.monotonic() + {on}\n while time.monotonic() < e: pass\n time.sleep({off})"
    number = count or len(os.sched_getaffinity(0))
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICK


def page_faults(pid: int) -> int:
    """Pages of memory that a process got from the system so far (minor faults)."""
    return int(_stat(pid)[7])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third one, see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def random_image(height: int, width: int) -> Image:
    """A bgr8 image of random pixels."""
    image = Image(height=height, width=width, encoding="bgr8", step=3 * width)
    image.data.frombytes(np.random.default_rng(0).integers(0, 256, 3 * width * height, np.uint8).tobytes())
    return image


def wait_for_subscribers(node: Node, publishers: Sequence[Publisher], process: "subprocess.Popen[bytes]") -> None:
    """Spin until each publisher has a subscriber that is ready for data.

    process: the node under test; SystemExit if it ends.
    """
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if process.poll() is not None:
            raise SystemExit(f"the node exited at start-up with code {process.returncode}; see its output above")
        rclpy.spin_once(node, timeout_sec=0.1)
    time.sleep(DISCOVERY_S)


def publish_at_rate(node: Node, publishers: Sequence[Publisher], image: Image, rate: float, frames: int) -> None:
    """Publish `frames` images from each publisher, evenly spread, stamped with the time they are sent at."""
    started = time.monotonic()
    for number in range(frames * len(publishers)):
        image.header.stamp = node.get_clock().now().to_msg()
        publishers[number % len(publishers)].publish(image)
        spin_until(node, started + (number + 1) / rate / len(publishers))


def spin_until(node: Node, due: float) -> None:
    """Handle messages until a monotonic time."""
    while (remaining := due - time.monotonic()) > 0:
        rclpy.spin_once(node, timeout_sec=remaining)


def spin_until_quiet(node: Node, count: Callable[[], int], quiet_s: float) -> None:
    """Handle messages until `count` has not changed for `quiet_s` seconds."""
    since, seen = time.monotonic(), count()
    while time.monotonic() - since < quiet_s:
        rclpy.spin_once(node, timeout_sec=0.2)
        if count() != seen:
            since, seen = time.monotonic(), count()
