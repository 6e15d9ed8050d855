"""Latency, jitter, CPU time and stages of the node at given image rates, and the highest rate that it keeps up with."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from icnet_ros.benchmark.node.rate_search import MAX_DROPPED, highest_rate
from icnet_ros.msg import FrameLatency
from icnet_ros.node.benchmark.graph import (
    cpu_seconds,
    node_under_test,
    participant,
    spin_until,
    spin_until_quiet,
    wait_for_subscribers,
)
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.share import share
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import encode_image, encode_jpeg, make_header
from icnet_ros.wire.pictures.picture_file import read_picture

WARM_UP = 10  # frames
QUIET_S = 0.5  # after the last label
STAGES = ("transport", "wait", "decode", "preprocess", "inference", "postprocess", "publish", "total", "age")


def measure(
    height: int, width: int, rates: Sequence[float], seconds: float, find_rate: bool, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Rows of `_Session.run` at each rate (Hz), `runs`, and the highest rate with fewer than MAX_DROPPED drops.

    The last row is that of the highest rate, if find_rate. parameters: of the node.
    """
    sized = {"warm_up_height": height, "warm_up_width": width, **parameters}
    compressed = parameters.get("input_transport") == "compressed"
    with node_under_test(sized) as process, participant("rate_benchmark") as tester:
        session = _Session(tester, process, height, width, compressed=compressed)
        alone = session.run(5.0, WARM_UP / 5.0)
        result: dict[str, Any] = {"runs": [session.run(rate, seconds) for rate in rates]}
        if find_rate:
            start = 1000 / max(1.0, alone["stages"].get("total", 100.0))
            highest = highest_rate(lambda rate: float(session.run(rate, seconds)["dropped"]), start)
            result |= {"highest_rate": round(highest, 1), "max_dropped": MAX_DROPPED}
            if highest:
                result["runs"].append(session.run(highest, seconds))
    return result


class _Session:
    """Publishes images and listens to the node."""

    def __init__(
        self, node: Node, process: "subprocess.Popen[bytes]", height: int, width: int, *, compressed: bool
    ) -> None:
        self._node, self._pid, self._compressed = node, process.pid, compressed
        # A photograph: how long JPEGs and labels take depends on their content.
        self._pixels = cv2.resize(read_picture(share("demo", "leuvenA.jpg")), (width, height))
        self._labels: list[tuple[float, float]] = []  # arrival (s), age (ms)
        self._latencies: list[FrameLatency] = []
        BytesSubscription(node, Image, "/icnet/labels", self._on_labels, qos_profile=10)
        node.create_subscription(FrameLatency, "/icnet/latency", self._latencies.append, QoSProfile(depth=100))
        kind, topic = (CompressedImage, "/image/compressed") if compressed else (Image, "/image")
        self._publisher = node.create_publisher(kind, topic, qos_profile_sensor_data)
        wait_for_subscribers(node, [self._publisher], process)

    def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Publish at `rate` Hz.

        dropped: share of the images without labels. latency: image stamped -> labels received here. jitter: standard
        deviation of the intervals between labels. cpu_share: CPU time of the node per second. stages: median ms.
        """
        self._labels.clear()
        self._latencies.clear()
        used, started, sent = cpu_seconds(self._pid), time.monotonic(), max(2, round(rate * seconds))
        encode = encode_jpeg if self._compressed else lambda header, pixels: encode_image(header, pixels, "bgr8")
        message = encode(make_header(0, "camera"), self._pixels)
        for number in range(sent):
            spin_until(self._node, started + number / rate)
            self._publisher.publish(stamped(message, time.time_ns()))
        spin_until(self._node, started + sent / rate)
        busy = (cpu_seconds(self._pid) - used) / (time.monotonic() - started)
        spin_until_quiet(self._node, lambda: len(self._labels), QUIET_S)
        arrivals, ages = [arrival for arrival, _ in self._labels], [age for _, age in self._labels]
        stages = {
            stage: round(float(np.median([getattr(one, f"{stage}_ms") for one in self._latencies])), 3)
            for stage in (STAGES if self._latencies else ())
        }
        return {
            "rate": round(rate, 1),
            "sent": sent,
            "labelled": len(self._labels),
            "dropped": round(1 - len(self._labels) / sent, 4),
            "latency_p50_ms": _percentile(ages, 50),
            "latency_p95_ms": _percentile(ages, 95),
            "jitter_ms": round(1000 * float(np.std(np.diff(arrivals))), 2) if len(arrivals) > 2 else None,
            "cpu_share": round(busy, 3),
            "stages": stages,
        }

    def _on_labels(self, data: bytes | memoryview) -> None:
        stamp = decode_labels(data)[0].stamp
        self._labels.append((time.monotonic(), (time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6))


def stamped(message: bytes, stamp_ns: int) -> bytes:
    """A serialised message that begins with a Header, with another stamp: encoding one again would take longer."""
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    stamp = b"".join(value.to_bytes(4, sys.byteorder) for value in (seconds, nanoseconds))
    return b"".join((message[:4], stamp, memoryview(message)[12:]))


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 2) if values else None
