"""Several cameras on one node: fairness, losses in transport, age of the labels."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from icnet_ros.msg import FrameLatency
from icnet_ros.node.benchmark.graph import (
    node_under_test,
    participant,
    publish_at_rate,
    random_image,
    spin_until,
    wait_for_subscribers,
)

NAMES = ("front", "left", "right", "rear", "front_left", "front_right", "rear_left", "rear_right")
COUNTERS = ("received", "processed", "dropped", "failed")
LAST_FRAMES_S = 4.0  # for the last frames, and the diagnostics after them


def measure(
    cameras: int, rate: float, height: int, width: int, seconds: float, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Frame counters of each camera, 95th percentile of the age of its labels (ms), and the limit for that age.

    The limit is two periods of the camera plus the processing time of one frame of each camera. rate: Hz, per
    camera. parameters: of the node, without `cameras`. max_over_min: ratio of the largest to the smallest number of
    processed frames.
    """
    names = NAMES[:cameras]
    counters: dict[str, dict[str, int]] = {}
    latencies: dict[str, list[FrameLatency]] = {name: [] for name in names}

    def on_diagnostics(array: DiagnosticArray) -> None:
        for status in array.status:
            values = {pair.key: pair.value for pair in status.values}
            counters[status.name.partition(": ")[2]] = {key: int(values.get(key, 0)) for key in COUNTERS}

    sent = int(rate * seconds)
    with node_under_test({**parameters, "cameras": list(names)}) as process, participant("cameras_benchmark") as node:
        node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
        for name in names:
            node.create_subscription(FrameLatency, f"/icnet/{name}/latency", latencies[name].append, 100)
        publishers = [node.create_publisher(Image, f"/{name}/image", qos_profile_sensor_data) for name in names]
        wait_for_subscribers(node, publishers, process)
        publish_at_rate(node, publishers, random_image(height, width), rate, sent)
        spin_until(node, time.monotonic() + LAST_FRAMES_S)
    by_camera: dict[str, dict[str, float]] = {}
    for name, messages in latencies.items():
        age = np.percentile([message.age_ms for message in messages], 95)
        processing = np.percentile([message.total_ms - message.wait_ms for message in messages], 95)
        ages = {"age_ms_p95": round(age, 1), "allowed_ms": round(2000 / rate + len(names) * processing, 1)}
        by_camera[name] = {"sent": sent, **counters[name], **ages}
    processed = [one["processed"] for one in by_camera.values()]
    return {
        "max_over_min": round(max(processed) / max(1, min(processed)), 3),
        "lost": sum(one["sent"] - one["received"] for one in by_camera.values()),
        "cameras": by_camera,
    }
