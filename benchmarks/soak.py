"""Hours in minutes: the real node at full rate, while everything around it misbehaves at random.

    python benchmarks/soak.py --minutes 30

Two cameras send images faster than they can be segmented. Every half second one of FAULTS happens. At the end, and
whenever the node is deactivated, its counters must add up; its memory and threads must not have grown since the
warm-up; every transition must have succeeded. Prints one JSON line; exit code 1 if anything of that does not hold.
Needs `source scripts/env.sh`.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from icnet_ros.dds import profile_environment
from icnet_ros.evaluation.demo import graph_environment

CAMERAS = ("front", "left")
SIZES = ((120, 160), (96, 128), (160, 120))
COUNTED = ("received", "processed", "dropped", "failed")
LAZY_THREADS = 2  # pools of libraries grow when they are first needed; a leak grows with every engine


def main(
    minutes: float = 30.0,
    rate: Annotated[float, typer.Option(help="Hz, of each camera")] = 30.0,
    warm_up: Annotated[float, typer.Option(help="share of the time before memory is first looked at")] = 0.3,
    growth: Annotated[float, typer.Option(help="share by which memory may grow after that")] = 0.02,
    seed: int = 0,
) -> None:
    """Run, judge, report."""
    environment = graph_environment() | profile_environment()
    os.environ.update(environment)  # before rclpy reads it
    words = ["-p", f"cameras:={list(CAMERAS)}", "-p", "warm_up_height:=120", "-p", "warm_up_width:=160"]
    command = [sys.executable, "-m", "icnet_ros.node.main", "--ros-args", "--log-level", "fatal", *words]
    node = subprocess.Popen(command, start_new_session=True)
    soak = Soak(node.pid, random.Random(seed))  # noqa: S311
    try:
        soak.run(60 * minutes, rate, warm_up)
        result = soak.report()
    finally:
        node.send_signal(signal.SIGINT)
        code = node.wait(30)
        soak.close()
    result = {"minutes": minutes, "rate": rate, "seed": seed, "exit_code": code, **result}
    print(json.dumps(result))
    grown = result["memory_mb"][1] / result["memory_mb"][0] - 1
    more_threads = result["threads"][1] - result["threads"][0]
    fine = code == 0 and grown < growth and more_threads <= LAZY_THREADS
    raise typer.Exit(0 if fine and not result["broken"] and result["processed"] else 1)


class Soak:
    """The graph around the node, and what was seen of the node."""

    def __init__(self, pid: int, dice: random.Random) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray

        self.rclpy, self.pid, self.dice = rclpy, pid, dice
        rclpy.init()
        self.graph = rclpy.create_node("soak")
        self.broken: list[str] = []  # what should not have happened
        self.happened: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.said: dict[str, dict[str, str]] = {}
        self.memory: list[float] = []
        self.threads: list[int] = []
        self.listeners: list[Any] = []
        self.publishers: dict[str, Any] = {}
        self.graph.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def run(self, seconds: float, rate: float, warm_up: float) -> None:
        """Publish, and let things happen."""
        for camera in CAMERAS:
            self.connect(camera)
        self.until(lambda: all(p.get_subscription_count() for p in self.publishers.values()), "found the node")
        started = time.monotonic()
        next_fault, number = started, 0
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("soaking", total=seconds)
            while (elapsed := time.monotonic() - started) < seconds:
                number += 1
                for camera in CAMERAS:
                    self.publishers[camera].publish(self.image(number))
                if time.monotonic() > next_fault:
                    next_fault = time.monotonic() + 0.5
                    fault = self.dice.choice(FAULTS)
                    self.happened[fault.__name__] += 1
                    fault(self)
                    if elapsed > warm_up * seconds:
                        self.look()
                self.spin(max(0.0, started + number / rate - time.monotonic()))
                progress.update(task, completed=elapsed)
        self.count()

    def report(self) -> dict[str, Any]:
        """Medians of the first and the last tenth of what was looked at, peaks of the thirds, and the sums."""
        part, third = max(1, len(self.memory) // 10), max(1, len(self.memory) // 3)
        return {
            "memory_mb": [round(float(np.median(self.memory[s])), 1) for s in (slice(part), slice(-part, None))],
            "peak_mb": [round(max(self.memory[s]), 1) for s in (slice(third), slice(-third, None))],
            "threads": [max(self.threads[:part]), max(self.threads[-part:])],
            **{key: self.totals[key] for key in COUNTED},
            "happened": dict(sorted(self.happened.items())),
            "broken": self.broken,
        }

    def image(self, number: int, **fields: Any) -> Any:
        """A random picture of a random size."""
        from sensor_msgs.msg import Image

        height, width = self.dice.choice(SIZES)
        message = Image(height=height, width=width, step=3 * width, encoding="bgr8")
        message.data.frombytes(self.dice.randbytes(3 * height * width))
        message.header.stamp = self.graph.get_clock().now().to_msg()
        message.header.frame_id = str(number)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def connect(self, camera: str) -> None:
        """A camera, or another in its place."""
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image

        if camera in self.publishers:
            self.graph.destroy_publisher(self.publishers[camera])
        self.publishers[camera] = self.graph.create_publisher(Image, f"/{camera}/image", qos_profile_sensor_data)

    def listen(self) -> None:
        """Someone looks at the overlay for a while."""
        from sensor_msgs.msg import Image

        if len(self.listeners) > 2:
            self.graph.destroy_subscription(self.listeners.pop(0))
        topic = f"/icnet/{self.dice.choice(CAMERAS)}/{self.dice.choice(('overlay', 'confidence', 'labels'))}"
        self.listeners.append(self.graph.create_subscription(Image, topic, lambda _: None, 1, raw=True))

    def change(self, *transitions: str) -> None:
        """One after the other; each must succeed."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for name in transitions:
            request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{name}")))
            answer = self.ask(ChangeState, "change_state", request)
            if answer is None or not answer.success:
                self.broken.append(f"{name} {'failed' if answer else 'was not answered'}")

    def set(self, name: str, value: Any) -> None:
        """A parameter that may be changed while running."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        answer = self.ask(SetParameters, "set_parameters", request)
        if answer is None or not answer.results[0].successful:
            self.broken.append(f"{name} could not be set to {value}")

    def count(self) -> None:
        """Deactivate, and see that every frame is accounted for."""
        self.change("DEACTIVATE")
        self.said.clear()
        self.until(
            lambda: all(self.said.get(c, {}).get("state") == "inactive" for c in CAMERAS), "said that it is inactive"
        )
        for camera, values in self.said.items():
            counters = {key: int(values.get(key, -1)) for key in COUNTED}
            self.totals.update(counters)
            if counters["received"] != counters["processed"] + counters["dropped"] + counters["failed"]:
                self.broken.append(f"{camera}: counters do not add up: {counters}")

    def look(self) -> None:
        """Memory (MB) and threads of the node now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.memory.append(int(_field(status, "VmRSS")) / 1024)
        self.threads.append(int(_field(status, "Threads")))

    def ask(self, kind: Any, service: str, request: Any) -> Any:
        """The answer of one of the node's services, None if there is none within a minute."""
        client = self.graph.create_client(kind, f"/icnet/{service}")
        try:
            if not client.wait_for_service(60):
                return None
            answer = client.call_async(request)
            self.rclpy.spin_until_future_complete(self.graph, answer, timeout_sec=60)
            return answer.result()
        finally:
            self.graph.destroy_client(client)

    def until(self, done: Any, what: str) -> None:
        """Spin until it is so."""
        deadline = time.monotonic() + 60
        while not done():
            if time.monotonic() > deadline:
                raise SystemExit(f"the node has not {what} within a minute")
            self.spin(0.1)

    def spin(self, seconds: float) -> None:
        """At least once."""
        end = time.monotonic() + seconds
        while True:
            self.rclpy.spin_once(self.graph, timeout_sec=max(0.0, end - time.monotonic()))
            if time.monotonic() >= end:
                return

    def close(self) -> None:
        """Leave the graph."""
        self.rclpy.try_shutdown()

    def _on_diagnostics(self, array: Any) -> None:
        for status in array.status:
            self.said[status.name.partition(": ")[2]] = {pair.key: pair.value for pair in status.values}


def _field(status: str, name: str) -> str:
    found = re.search(rf"{name}:\s+(\d+)", status)
    assert found is not None
    return found[1]


def wrong_step(soak: Soak) -> None:
    """An image whose rows do not fit."""
    soak.publishers["front"].publish(soak.image(0, step=10))


def too_little_data(soak: Soak) -> None:
    """An image with fewer bytes than it declares."""
    soak.publishers["left"].publish(soak.image(0, height=4000))


def unknown_encoding(soak: Soak) -> None:
    """An image nobody can read."""
    soak.publishers["left"].publish(soak.image(0, encoding="hologram9"))


def listener(soak: Soak) -> None:
    """A subscriber comes, another goes."""
    soak.listen()


def another_camera(soak: Soak) -> None:
    """A publisher dies and another takes its place."""
    soak.connect(soak.dice.choice(CAMERAS))


def parameter(soak: Soak) -> None:
    """Someone turns a knob."""
    name, value = soak.dice.choice([("overlay_alpha", soak.dice.random()), ("lazy", False), ("max_pixels", 10**6)])
    soak.set(name, value)


def stall(soak: Soak) -> None:
    """The whole process stands still for a moment."""
    os.kill(soak.pid, signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(soak.pid, signal.SIGCONT)


def off_and_on(soak: Soak) -> None:
    """Deactivated and activated."""
    soak.count()
    soak.change("ACTIVATE")


def anew(soak: Soak) -> None:
    """Cleaned up and configured again, with another engine."""
    soak.count()
    soak.change("CLEANUP", "CONFIGURE", "ACTIVATE")


FAULTS = (
    *(wrong_step, too_little_data, unknown_encoding, listener, another_camera, parameter, stall) * 3,
    off_and_on,
    anew,
)

if __name__ == "__main__":
    typer.run(main)
