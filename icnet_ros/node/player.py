"""`python -m icnet_ros.node.player`: plays a bag's images as a camera would, with /clock."""

import argparse
import json
import sys
import time
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from icnet_ros.node.ros.graph import message_class
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.topic import ros_name

CLOCK_PERIOD = 0.01  # s


def main() -> None:
    """Publish every image once, at the recorded rate times --rate, once there is a subscriber.

    Writes one JSON line per frame into --log: stamp and time of publishing, both ns. Prints PLAYED
    when done. With --hold it begins when a line arrives on standard input.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bag", type=Path)
    parser.add_argument("--topic", default="", help="image topic (found by type if not given)")
    parser.add_argument("--rate", type=float, default=1.0, help="speed, 1 is real time")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--wait", type=float, default=30.0, help="seconds to wait for a subscriber")
    parser.add_argument("--hold", action="store_true", help="load, then wait for a line on standard input")
    arguments = parser.parse_args()
    rclpy.init()
    try:
        play(arguments.bag, arguments.topic, arguments.rate, arguments.log, arguments.wait, hold=arguments.hold)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


def play(path: Path, topic_name: str, rate: float, log: Path, wait: float, *, hold: bool = False) -> None:
    """Publish the bag. Raises TimeoutError if nobody subscribes within `wait` seconds (after a hold)."""
    node = rclpy.create_node("player")
    clock = node.create_publisher(Clock, "/clock", 10)
    with open_bag(path) as bag, log.open("w", encoding="utf-8", buffering=1) as record:
        topic = bag.image_topic(topic_name)
        decoder = open_decoder(topic.kind, topic.encoding)
        # Reliable matches reliable and best-effort subscribers; the queue covers a short stall.
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        publisher = node.create_publisher(message_class(topic.kind), ros_name(topic.name), qos)
        if hold and not sys.stdin.readline():
            return  # whoever started this process has ended
        _wait_for_subscriber(publisher, wait)
        first_ns, started = 0, 0.0
        for message in bag.messages(topic.name):
            stamp = decoder.stamp(message.data)
            if not started:
                first_ns, started = message.recorded_ns, time.monotonic()
            # Between frames, /clock advances up to the recorded time of the next one.
            due = started + (message.recorded_ns - first_ns) / 1e9 / rate
            while (remaining := due - time.monotonic()) > 0:
                time.sleep(min(remaining, CLOCK_PERIOD))
                _tick(clock, message.recorded_ns - max(0, round((due - time.monotonic()) * 1e9 * rate)))
            _tick(clock, message.recorded_ns)  # an image must not be stamped later than it is sent
            record.write(json.dumps({"stamp_ns": stamp, "published_ns": time.time_ns()}) + "\n")
            publisher.publish(message.data)
    print("PLAYED", flush=True)
    ended, last_ns = time.monotonic(), message.recorded_ns
    while rclpy.ok():  # labels of the last frames need /clock, so publish it until SIGINT
        time.sleep(CLOCK_PERIOD)
        _tick(clock, last_ns + round((time.monotonic() - ended) * 1e9 * rate))


def _tick(publisher: "rclpy.publisher.Publisher", nanoseconds: int) -> None:
    message = Clock()
    message.clock.sec, message.clock.nanosec = divmod(nanoseconds, 10**9)
    publisher.publish(message)


def _wait_for_subscriber(publisher: "rclpy.publisher.Publisher", timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody subscribed to {publisher.topic_name} within {timeout:g} s")
        time.sleep(0.05)
    time.sleep(0.2)  # a match is reported before the other side is ready for data


if __name__ == "__main__":
    main()
