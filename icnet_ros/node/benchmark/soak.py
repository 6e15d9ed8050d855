"""Soak test: the node at full rate, with random faults in its inputs and its clients.

Two cameras send images faster than they can be segmented. Every half second one of FAULTS is injected.
"""

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from icnet_ros.node.benchmark.graph import node_under_test, participant
from icnet_ros.node.parameter import Value

CAMERAS = ("front", "left")
SIZES = ((120, 160), (96, 128), (160, 120))
COUNTERS = ("received", "processed", "dropped", "failed")
FAULT_PERIOD_S = 0.5


def measure(
    minutes: float, rate: float, warm_up: float, seed: int, model: str, sizes: Sequence[tuple[int, int]], faults: bool
) -> dict[str, Any]:
    """Frame counters, memory and threads of the node at the beginning and at the end, and failed checks.

    rate: Hz, per camera. warm_up: share of the time before memory is first sampled. sizes: (height, width) of images.
    """
    parameters: dict[str, object] = {"cameras": list(CAMERAS), "warm_up_height": 120, "warm_up_width": 160}
    parameters |= {"model": model} if model else {}
    with participant("soak") as node:
        with node_under_test(parameters, arguments=("--log-level", "fatal")) as process:
            soak = Soak(node, process.pid, random.Random(seed), sizes or SIZES)  # noqa: S311
            soak.run(60 * minutes, rate, warm_up, FAULTS if faults else ())
            result = soak.report()
        return {"exit_code": process.returncode, **result}


class Response(Protocol):
    """Response of a change of parameters or of state."""

    results: Sequence[SetParametersResult]
    success: bool


class Soak:
    """Publishers, subscribers and clients around the node, and what is measured of it."""

    def __init__(self, node: Node, pid: int, dice: random.Random, sizes: Sequence[tuple[int, int]]) -> None:
        self.graph, self.pid, self.dice, self.sizes = node, pid, dice, sizes
        self.broken: list[str] = []  # failed checks
        self.happened: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.memory: list[float] = []
        self.threads: list[int] = []
        self.listeners: list[Subscription] = []
        self.publishers: dict[str, Publisher] = {}
        self.graph.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def run(self, seconds: float, rate: float, warm_up: float, faults: Sequence[Callable[["Soak"], None]]) -> None:
        """Publish images and inject random ones of these faults."""
        for camera in CAMERAS:
            self.connect(camera)
        self.wait_for(lambda: all(p.get_subscription_count() for p in self.publishers.values()), "subscribed to images")
        started = time.monotonic()
        next_fault, number = started, 0
        while (elapsed := time.monotonic() - started) < seconds:
            number += 1
            for camera in CAMERAS:
                self.publishers[camera].publish(self.image(number))
            if time.monotonic() > next_fault:
                next_fault = time.monotonic() + FAULT_PERIOD_S
                if faults:
                    fault = self.dice.choice(faults)
                    self.happened[fault.__name__] += 1
                    fault(self)
                if elapsed > warm_up * seconds:
                    self.sample()
            self.spin(max(0.0, started + number / rate - time.monotonic()))
        self.count()

    def report(self) -> dict[str, Any]:
        """Medians of the first, the last and all tenths of the memory samples, peaks of the outer thirds; totals."""
        part, third = max(1, len(self.memory) // 10), max(1, len(self.memory) // 3)
        tenths = [round(float(np.median(tenth)), 1) for tenth in np.array_split(self.memory, 10) if len(tenth)]
        return {
            "memory_mb": [tenths[0], tenths[-1]],
            "tenths_mb": tenths,
            "peak_mb": [round(max(self.memory[s]), 1) for s in (slice(third), slice(-third, None))],
            "threads": [max(self.threads[:part]), max(self.threads[-part:])],
            **{key: self.totals[key] for key in COUNTERS},
            "faults": dict(sorted(self.happened.items())),
            "failed_checks": self.broken,
        }

    def image(self, number: int, **fields: object) -> Image:
        """An image of random size and pixels; `fields` replace those of the message."""
        height, width = self.dice.choice(self.sizes)
        message = Image(height=height, width=width, step=3 * width, encoding="bgr8")
        message.data.frombytes(self.dice.randbytes(3 * height * width))
        message.header.stamp = self.graph.get_clock().now().to_msg()
        message.header.frame_id = str(number)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def connect(self, camera: str) -> None:
        """Create the publisher of a camera, or replace it by a new one."""
        if camera in self.publishers:
            self.graph.destroy_publisher(self.publishers[camera])
        self.publishers[camera] = self.graph.create_publisher(Image, f"/{camera}/image", qos_profile_sensor_data)

    def listen(self) -> None:
        """Subscribe to a random output; of more than two subscriptions, the oldest ends."""
        if len(self.listeners) > 2:
            self.graph.destroy_subscription(self.listeners.pop(0))
        topic = f"/icnet/{self.dice.choice(CAMERAS)}/{self.dice.choice(('overlay', 'confidence', 'labels'))}"
        self.listeners.append(self.graph.create_subscription(Image, topic, lambda _: None, 1, raw=True))

    def change(self, *transitions: str) -> None:
        """Trigger lifecycle transitions one after the other; each must succeed."""
        for name in transitions:
            request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{name}")))
            response = self.call(ChangeState, "change_state", request)
            if response is None or not response.success:
                self.broken.append(f"{name} {'failed' if response else 'got no response'}")

    def set(self, name: str, value: Value) -> None:
        """Set a parameter that may be changed while the node is active."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        response = self.call(SetParameters, "set_parameters", request)
        if response is None or not response.results[0].successful:
            self.broken.append(f"{name} could not be set to {value}")

    def count(self) -> None:
        """Deactivate, and check that the counters account for every frame."""
        self.change("DEACTIVATE")
        self.diagnostics.clear()
        self.wait_for(
            lambda: all(self.diagnostics.get(c, {}).get("state") == "inactive" for c in CAMERAS),
            "reported the state inactive",
        )
        for camera, values in self.diagnostics.items():
            counters = {key: int(values.get(key, -1)) for key in COUNTERS}
            self.totals.update(counters)
            if counters["received"] != counters["processed"] + counters["dropped"] + counters["failed"]:
                self.broken.append(f"{camera}: counters do not add up: {counters}")

    def sample(self) -> None:
        """Record memory (MB) and number of threads of the node."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        self.memory.append(int(_field(status, "VmRSS")) / 1024)
        self.threads.append(int(_field(status, "Threads")))

    def call(self, kind: type, service: str, request: object) -> Response | None:
        """Call a service of the node; None if there is no response within a minute."""
        client = self.graph.create_client(kind, f"/icnet/{service}")
        try:
            if not client.wait_for_service(60):
                return None
            future = client.call_async(request)
            rclpy.spin_until_future_complete(self.graph, future, timeout_sec=60)
            response: Response | None = future.result()
            return response
        finally:
            self.graph.destroy_client(client)

    def wait_for(self, done: Callable[[], object], what: str) -> None:
        """Spin until `done()`; ends the process after a minute."""
        deadline = time.monotonic() + 60
        while not done():
            if time.monotonic() > deadline:
                raise SystemExit(f"the node has not {what} within a minute")
            self.spin(0.1)

    def spin(self, seconds: float) -> None:
        """Handle messages for `seconds`, at least once."""
        end = time.monotonic() + seconds
        while True:
            rclpy.spin_once(self.graph, timeout_sec=max(0.0, end - time.monotonic()))
            if time.monotonic() >= end:
                return

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            self.diagnostics[status.name.partition(": ")[2]] = {pair.key: pair.value for pair in status.values}


def _field(status: str, name: str) -> str:
    found = re.search(rf"{name}:\s+(\d+)", status)
    assert found is not None
    return found[1]


def wrong_step(soak: Soak) -> None:
    """An image whose step is less than its row."""
    soak.publishers["front"].publish(soak.image(0, step=10))


def too_little_data(soak: Soak) -> None:
    """An image with fewer bytes than it declares."""
    soak.publishers["left"].publish(soak.image(0, height=4000))


def unknown_encoding(soak: Soak) -> None:
    """An image with an unsupported encoding."""
    soak.publishers["left"].publish(soak.image(0, encoding="hologram9"))


def listener(soak: Soak) -> None:
    """A subscriber comes, another goes."""
    soak.listen()


def another_camera(soak: Soak) -> None:
    """A publisher dies and another takes its place."""
    soak.connect(soak.dice.choice(CAMERAS))


def parameter(soak: Soak) -> None:
    """Someone sets a parameter."""
    name, value = soak.dice.choice([("overlay_alpha", soak.dice.random()), ("lazy", False), ("max_pixels", 10**6)])
    soak.set(name, value)


def stall(soak: Soak) -> None:
    """The process of the node is stopped for 0.2 s."""
    os.kill(soak.pid, signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(soak.pid, signal.SIGCONT)


def off_and_on(soak: Soak) -> None:
    """The node is deactivated and activated."""
    soak.count()
    soak.change("ACTIVATE")


def rebuild(soak: Soak) -> None:
    """The node is cleaned up and configured again, with a new engine."""
    soak.count()
    soak.change("CLEANUP", "CONFIGURE", "ACTIVATE")


FAULTS = (
    *(wrong_step, too_little_data, unknown_encoding, listener, another_camera, parameter, stall) * 3,
    off_and_on,
    rebuild,
)
