"""The node in a process of one's own, on the executors of rclpy."""

import threading
from inspect import signature

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

import rclpy.executors
from diagnostic_msgs.msg import DiagnosticArray
from messages import image
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from icnet_ros.node.segmentation import SegmentationNode


@pytest.fixture
def embedded(graph, model):
    """The segmentation node in this process, on no executor yet."""
    settings = {"model": str(model), "engine": "torch"}
    overrides = [Parameter(name, value=value) for name, value in settings.items()]
    node = SegmentationNode(context=graph.context, parameter_overrides=overrides)
    yield node
    node.stop()
    node.destroy_node()


def test_timers_give_their_callbacks_nothing(embedded):
    """EventsExecutor of Kilted and Lyrical calls every one that has a parameter with a TimerInfo."""
    assert all(not signature(timer.callback).parameters for timer in embedded.timers)


@pytest.mark.parametrize("kind", ["SingleThreadedExecutor", "MultiThreadedExecutor", "EventsExecutor"])
def test_labels_and_diagnostics(graph, embedded, kind):
    events = pytest.importorskip("rclpy.experimental", reason="no EventsExecutor") if kind == "EventsExecutor" else None
    executor = getattr(events or rclpy.executors, kind)(context=graph.context)
    executor.add_node(embedded)
    labels, states = [], []
    graph.node.create_subscription(Image, "/icnet/labels", labels.append, 10)
    graph.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: states.extend(status.message for status in message.status), 10
    )
    ended = threading.Event()

    def spin():  # executor.shutdown() from another thread blocks EventsExecutor of Jazzy
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    spinning = threading.Thread(target=spin)
    spinning.start()
    try:
        camera = graph.camera("image")
        graph.spin_until(lambda: labels and len(states) > 1, again=lambda: camera.publish(image()))
    finally:
        ended.set()
        spinning.join()
        executor.shutdown()
