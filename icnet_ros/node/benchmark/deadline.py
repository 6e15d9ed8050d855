"""Share of frames within the latency budget under CPU load: exits and input sizes compared with sub124."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from icnet_ros.msg import FrameLatency
from icnet_ros.node.benchmark.graph import (
    busy_processes,
    node_under_test,
    participant,
    publish_at_rate,
    random_image,
    spin_until_quiet,
    wait_for_subscribers,
)

STEADY_S = 15.0
ON_S, OFF_S = 20.0, 5.0


def measure(
    seconds: float, rate: float, height: int, width: int, share: float, model: str, rows: int, ladder: bool
) -> dict[str, Any]:
    """Run the node in each mode under the same load: one busy process per core, on for 20 s and off for 5 s.

    Modes: sub124; exits: exit auto with all exits at `rows` input rows; ladder: exit auto with the ladder of the
    checkpoint, if it has one. share: the budget is this share of the median that sub124 takes under full load, which is
    measured first. steps: number of frames by "EXIT ROWS".
    """
    modes: dict[str, dict[str, Any]] = {"sub124": {"exit": "sub124"}, "exits": {"exit": "auto", "input_rows": rows}}
    modes |= {"ladder": {"exit": "auto"}} if ladder else {}
    steady = _run(modes["sub124"], 0.0, STEADY_S, rate, (height, width), model, on=3600.0)
    budget = share * float(np.median([message.total_ms for message in steady]))
    result: dict[str, Any] = {"budget_ms": round(budget, 1), "modes": {}}
    for mode, parameters in modes.items():
        frames = _run(parameters, budget, seconds, rate, (height, width), model, on=ON_S)
        total = np.array([message.total_ms for message in frames])
        result["modes"][mode] = {
            "frames": len(frames),
            "within_budget": round(float((total <= budget).mean()), 4),
            "p50_ms": round(float(np.percentile(total, 50)), 1),
            "p95_ms": round(float(np.percentile(total, 95)), 1),
            "steps": dict(Counter(f"{message.exit} {message.input_rows}" for message in frames)),
        }
    return result


def _run(
    mode: Mapping[str, Any],
    budget: float,
    seconds: float,
    rate: float,
    size: tuple[int, int],
    model: str,
    on: float,
) -> list[FrameLatency]:
    """What the node reports of each frame of a run under load."""
    parameters = {**mode, "latency_budget_ms": budget, "warm_up_height": size[0], "warm_up_width": size[1]}
    parameters |= {"model": model} if model else {}
    latencies: list[FrameLatency] = []
    with node_under_test(parameters) as process, participant("deadline_benchmark") as node:
        node.create_subscription(FrameLatency, "/icnet/latency", latencies.append, QoSProfile(depth=100))
        publisher = node.create_publisher(Image, "/image", 5)
        wait_for_subscribers(node, [publisher], process)
        with busy_processes(on=on, off=OFF_S):
            publish_at_rate(node, [publisher], random_image(*size), rate, int(seconds * rate))
        spin_until_quiet(node, lambda: len(latencies), 1.0)
    return latencies
