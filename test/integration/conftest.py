"""Real processes over real DDS: each test has a ROS domain of its own and waits for what it needs."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from forked import Forked

from icnet_ros.checkpoint.file import save
from icnet_ros.dds import profile_environment, this_machine_only

TIMEOUT = 60.0


class Process:
    """`python -m module arguments` with its output in `log`; `fresh`: not forked, see forked.py."""

    def __init__(self, module, arguments, environment, log, fresh):
        self.log = log
        if not fresh:
            self.popen = Forked(module, arguments, environment, log)
            return
        command = [sys.executable, "-m", module, *map(str, arguments)]
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    def interrupt(self, sign=signal.SIGINT):
        """Exit code, and seconds until it was there."""
        started = time.monotonic()
        self.popen.send_signal(sign)
        return self.popen.wait(30), time.monotonic() - started


class Graph:
    """A plain, typed rclpy participant beside the node under test."""

    def __init__(self, tmp_path, domain):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.tmp_path = tmp_path
        self.processes = []
        self.received = defaultdict(list)
        self.environment = {
            **os.environ,
            **profile_environment(),
            **this_machine_only(),
            "PYTHONUNBUFFERED": "1",
            "ROS_PYTHON_CHECK_FIELDS": "1",  # as Humble always does, Jazzy and later only if told to
        }
        os.environ.update({**profile_environment(), **this_machine_only()})
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("tester", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def start(self, *arguments, module="icnet_ros.node.main", fresh=False):
        log = self.tmp_path / f"process{len(self.processes)}.log"
        process = Process(module, arguments, self.environment, log, fresh)
        self.processes.append(process)
        return process

    def start_node(self, model, *remaps, fresh=False, **parameters):
        """The node with small warm-up frames and these parameters; in fp32, so that its labels can be compared."""
        fixed = {"model": model, "warm_up_width": 64, "warm_up_height": 48, "precision": "fp32"}
        parameters = {**fixed, **parameters}
        words = [
            w
            for name, value in parameters.items()
            for w in ("-p", f"{name}:={json.dumps(value) if isinstance(value, bool | list) else value}")
        ]
        return self.start("--ros-args", *words, *(w for remap in remaps for w in ("-r", remap)), fresh=fresh)

    def spin_until(self, done, timeout=TIMEOUT, again=None):
        """Wait for `done`; `again` is called now and every two seconds, to repeat what best effort may lose."""
        deadline = time.monotonic() + timeout
        due = time.monotonic()
        while not (result := done()):
            if again is not None and time.monotonic() > due:
                again()
                due += 2
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {p.log.name}\n{p.text}" for p in self.processes)
                pytest.fail(f"not seen within {timeout:g} s\n{logs}")
            self.executor.spin_once(timeout_sec=0.05)
        return result

    def spin_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.05)

    def listen(self, kind, topic, qos=10):
        messages = self.received[topic]
        subscription = self.node.create_subscription(kind, topic, messages.append, qos)
        return messages, subscription

    def camera(self, topic="/image", kind=None, reliability="best_effort"):
        """A publisher, once the node has subscribed."""
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image

        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.get_from_short_key(reliability))
        publisher = self.node.create_publisher(kind or Image, topic, qos)
        self.spin_until(lambda: publisher.get_subscription_count() > 0)
        self.spin_for(0.5)  # a match is reported before the other side is ready
        return publisher

    def state(self):
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, "/icnet/get_state", GetState.Request()).current_state.id

    def change(self, transition):
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, "/icnet/change_state", request).success

    def set(self, name, value):
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, "/icnet/set_parameters", request).results[0]

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.spin_until(client.service_is_ready)
        future = client.call_async(request)
        self.spin_until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def close(self):
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.popen.wait(20)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(scope="session")
def model(tmp_path_factory, tiny):
    """`tiny` as a file that says it was trained: diagnostics warn of a network that was not."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, replace(tiny.spec, trained=True), tiny.weights)
    return path


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain that no other test on this machine is in; all processes of this one are."""
    for number in range(1, 100):
        with Path(tempfile.gettempdir(), f"icnet_ros-domain-{number}.lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
            yield number
            return
    pytest.fail("every ROS domain is taken by a test")


@pytest.fixture
def graph(tmp_path, domain):
    graph = Graph(tmp_path, domain)
    yield graph
    graph.close()


@pytest.fixture
def node(graph, model):
    """Starts the node with parameters; `ask` sends one image again and again until `done`."""

    from messages import image

    class Node:
        def start(self, topic="/image", **parameters):
            self.process = graph.start_node(model, f"image:={topic}", engine="torch", **parameters)
            self.camera = graph.camera(topic)

        def ask(self, done, message=None):
            return graph.spin_until(done, again=lambda: self.camera.publish(message or image()))

    return Node()
