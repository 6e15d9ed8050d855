"""What ROS costs per frame: this node against a conventional one, both with an engine that answers at once.

    python benchmarks/ros_overhead.py  # everything, an hour
    python benchmarks/ros_overhead.py --size 1024x2048 --reliability best_effort --profile shipped --frames 300

Two processes each time, publisher and node, alone and beside busy processes, one for each core; the two nodes take
turns. Latency is from image published to label image received. Prints a row for each case and, at the end, everything
as one JSON line. Needs `source scripts/env.sh`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.evaluation.demo import graph_environment

HERE = Path(__file__).parent
CORES = len(os.sched_getaffinity(0))
NODES = ("ours", "conventional")
CLOCK_TICK = os.sysconf("SC_CLK_TCK")


def main(
    size: Annotated[list[str], typer.Option(help="HEIGHTxWIDTH")] = ["360x480", "720x1280", "1024x2048"],  # noqa: B006
    reliability: Annotated[list[str], typer.Option()] = ["best_effort", "reliable"],  # noqa: B006
    profile: Annotated[list[str], typer.Option(help="of Fast DDS: shipped or default")] = ["shipped", "default"],  # noqa: B006
    frames: int = 100,
    rate: Annotated[float, typer.Option(help="Hz")] = 10.0,
    load: Annotated[list[int], typer.Option(help="busy processes beside them")] = [0, CORES],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="how often both nodes run in each case; medians are shown")] = 3,
) -> None:
    """Measure every case."""
    console = Console(stderr=True)
    cases = list(product(size, reliability, profile, load))
    turns = [(case, node) for case in cases for _ in range(rounds) for node in NODES]
    found: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for case, node in track(turns, "nodes take turns", console=console):
        found.setdefault((*case, node), []).append(in_turn(node, *case, frames, rate))
    results = []
    for case in cases:
        figures = {node: medians(found[(*case, node)]) for node in NODES}
        results.append(dict(zip(("size", "reliability", "profile", "load"), case, strict=True)) | figures)
        ours, other = (figures[node] for node in NODES)
        row = [
            f"{key} {ours[key]:5.2f} : {other[key]:5.2f} = 1/{other[key] / ours[key]:.1f}"
            for key in ("p50_ms", "p95_ms", "cpu_ms")
        ]
        print(*case[:3], f"{case[3]} busy", *row, f"lost {ours['lost']:.0f} : {other['lost']:.0f}", sep=" | ")
    print(json.dumps({"frames": frames, "rate": rate, "rounds": rounds, "cases": results}))


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure."""
    return {key: float(np.median([one[key] for one in runs])) for key in runs[0]}


def in_turn(
    node: str, size: str, reliability: str, profile: str, load: int, frames: int, rate: float
) -> dict[str, float]:
    """One run of one node, in processes of its own: the DDS profile is read once per process."""
    environment = graph_environment()
    for name in (OLD, NEW):
        environment.pop(name, None)
    environment.update(profile_environment(environment=environment) if profile == "shipped" else {})
    environment["PYTHONPATH"] = f"{HERE}:{environment.get('PYTHONPATH', '')}"
    words = [sys.executable, __file__, "--measure", node, size, reliability, str(frames), str(rate)]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    try:
        done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        for process in busy:
            process.kill()
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(node: str, size: str, reliability: str, frames: int, rate: float) -> dict[str, float]:
    """Publish, and see what comes back when: latency in ms, CPU time of the node per frame, labels lost."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from icnet_ros.wire.image import decode_labels, encode_image, make_header

    height, width = map(int, size.split("x"))
    command = [sys.executable, str(HERE / "conventional_node.py"), reliability.upper()]
    if node == "ours":
        qos = ("-p", f"qos_overrides./image.subscription.reliability:={reliability}")
        command = [sys.executable, str(HERE / "stub_engine.py"), "--ros-args", "--log-level", "error"]
        command += ["-p", "engine:=torch", *qos]
    process = subprocess.Popen(command)
    rclpy.init()
    tester = rclpy.create_node("ros_overhead")
    sent, back = {}, {}

    def on_labels(data: bytes) -> None:
        now = time.monotonic()
        back[decode_labels(data)[0].stamp.sec] = now

    tester.create_subscription(Image, "/icnet/labels", on_labels, 10, raw=True)
    publisher = tester.create_publisher(
        Image, "/image", QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    )
    try:
        while publisher.get_subscription_count() == 0:
            if process.poll() is not None:
                raise SystemExit(f"the {node} node ended at its start, exit code {process.returncode}")
            rclpy.spin_once(tester, timeout_sec=0.1)
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        warm_up = 10
        started = time.monotonic() + 1.0
        for number in range(-warm_up, frames):
            due = started + (number + warm_up) / rate
            while (left := due - time.monotonic()) > 0:
                rclpy.spin_once(tester, timeout_sec=left)
            if number == 0:
                used = cpu_seconds(process.pid)
            message = encode_image(make_header((number + warm_up + 1) * 10**9, "front"), pixels, "bgr8")
            sent[number + warm_up + 1] = time.monotonic()
            publisher.publish(message)
        quiet = time.monotonic()
        while len(back) < len(sent) and time.monotonic() - quiet < 2.0:
            rclpy.spin_once(tester, timeout_sec=0.1)
        used = cpu_seconds(process.pid) - used
    finally:
        rclpy.try_shutdown()
        process.send_signal(signal.SIGINT)
        process.wait(30)
    counted = range(warm_up + 1, warm_up + frames + 1)
    latency = [1000 * (back[number] - sent[number]) for number in counted if number in back] or [np.nan]
    return {
        "p50_ms": float(np.percentile(latency, 50)),
        "p95_ms": float(np.percentile(latency, 95)),
        "cpu_ms": 1000 * used / frames,
        "lost": float(sum(number not in back for number in counted)),
    }


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICK


if __name__ == "__main__":
    if "--measure" in sys.argv:
        print(json.dumps(measure(*sys.argv[2:5], frames=int(sys.argv[5]), rate=float(sys.argv[6]))))
    else:
        typer.run(main)
