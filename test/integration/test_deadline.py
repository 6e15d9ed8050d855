"""Exit auto: the deepest exit that keeps the budget or keeps up with the camera, said with every frame."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import image, pixels
from sensor_msgs.msg import Image

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine


def test_the_budget_decides_the_exit_and_may_change(graph, model):
    """A budget that nothing keeps, then one that everything keeps: labels are always those of the exit named."""
    graph.start_node(model, engine="torch", exit="auto", latency_budget_ms=0.001)
    labels, _ = graph.listen(Image, "/icnet/labels")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
    single = {
        exit_: open_engine("torch", load(model), EngineOptions("cpu", exit=exit_))
        for exit_ in ("sub4", "sub24", "sub124")
    }
    camera = graph.camera()
    picture = pixels(120, 160, 1)
    exits = []

    def segment():
        number = len(exits) + 1
        camera.publish(image(number, picture))
        graph.spin_until(lambda: len(labels) == len(latencies) == number)
        exits.append(latencies[-1].exit)
        answer = np.frombuffer(labels[-1].data, np.uint8).reshape(picture.shape[:2])
        assert np.array_equal(answer, single[exits[-1]].segment([Frame(picture)])[0].labels), exits[-1]

    for _ in range(5):
        segment()
    assert set(exits) == {"sub4"}
    assert graph.set("latency_budget_ms", 60_000.0).successful
    while exits[-1] != "sub124":
        segment()
        assert len(exits) < 60
    assert exits.index("sub24") - 5 >= 9, "a deeper exit is tried with patience only"
    assert sorted(exits, key=list(single).index) == exits, "never back and forth"

    def shares():
        found = [
            {pair.key: pair.value for pair in status.values} | {"message": status.message}
            for array in statuses[-1:]
            for status in array.status
        ]
        return next((one for one in found if "exit_share_sub124" in one), None)

    seen = graph.spin_until(shares)
    assert seen["exit"] == "auto"
    assert "earlier exit or a smaller input" in seen["message"]
    assert graph.set("exit", "sub24").successful  # all exits are there, so this needs no other engine
    segment()
    assert exits[-1] == "sub24"
    assert "deactivate it" in graph.set("threads", 1).reason


def test_without_a_budget_it_keeps_up_with_the_camera(graph, model):
    """Images faster than any exit labels them, then so slow that all have time."""
    graph.start_node(model, engine="torch", exit="auto")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    camera = graph.camera()
    picture = pixels(240, 320, 1)
    numbers = iter(range(1, 10_000))

    def publish(images, seconds):
        for _ in range(images):
            camera.publish(image(next(numbers), picture))
        graph.spin_for(seconds)

    publish(1, 0.5)
    for _ in range(200):
        publish(5, 0.01)
        if latencies[-1].exit == "sub4":
            break
    assert latencies[-1].exit == "sub4"
    for _ in range(80):
        publish(1, 0.3)
        if latencies[-1].exit == "sub124":
            break
    assert latencies[-1].exit == "sub124"


def test_an_exit_that_was_not_built_is_refused(graph, model):
    graph.start_node(model, engine="torch", exit="sub4")
    graph.camera()
    assert "exit is fixed while the node is active" in graph.set("exit", "sub24").reason
