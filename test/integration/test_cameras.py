"""Several cameras on one engine: each has the contract of a single one."""

import itertools

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import image, pixels
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import Frame
from icnet_ros.engine.table import open_engine

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OK, ERROR, STALE = b"\0", b"\2", b"\3"


@pytest.mark.parametrize("window", [0.0, 50.0])
def test_each_gets_its_own_labels_and_a_dead_one_goes_stale_alone(graph, model, tmp_path, window):
    """Other sizes, encodings and masks side by side, one at a time and as batches."""
    sizes = {"front": (48, 64), "left": (48, 64), "rear": (70, 90)}
    masks = {}
    for number, (name, size) in enumerate(sizes.items()):
        masks[name] = np.zeros(size, np.uint8)
        masks[name][-10:, 10 * number : 10 * number + 30] = 255
        cv2.imwrite(str(tmp_path / f"{name}.png"), masks[name])
    graph.start_node(
        model,
        engine="torch",
        cameras=list(sizes),
        mask=f"{tmp_path}/{{camera}}.png",
        batch_window_ms=window,
        input_timeout_s=1.5,
        statistics_window_s=3.0,
    )
    engine = open_engine("torch", load(model))
    cameras = {name: graph.camera(f"/{name}/image") for name in sizes}
    labels = {name: graph.listen(Image, f"/icnet/{name}/labels")[0] for name in sizes}
    latencies = {name: graph.listen(FrameLatency, f"/icnet/{name}/latency")[0] for name in sizes}
    infos = {name: graph.listen(LabelInfo, f"/icnet/{name}/label_info", LATCHED)[0] for name in sizes}
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: all(infos.values()))
    graph.spin_for(0.3)
    pictures = {name: pixels(*size, seed) for seed, (name, size) in enumerate(sizes.items())}
    encodings = {"front": "bgr8", "left": "rgb8", "rear": "bgr8"}
    for number in (1, 2, 3):
        for name, camera in cameras.items():
            camera.publish(image(number, pictures[name], name, encoding=encodings[name]))
        graph.spin_until(lambda number=number: all(len(found) == number for found in labels.values()))
    for name, found in labels.items():
        expected = engine.segment([Frame(pictures[name], encodings[name][:3])])[0].labels
        expected[masks[name] > 0] = 255
        assert np.array_equal(np.frombuffer(found[-1].data, np.uint8).reshape(sizes[name]), expected), name
        assert [message.header.frame_id for message in found] == [name] * 3
        graph.spin_until(lambda name=name: len(latencies[name]) == 3)
        last = latencies[name][-1]
        assert (last.received, last.processed, last.dropped, last.failed) == (3, 3, 0, 0), name

    def said(name, level, words):
        latest = [status for array in statuses[-1:] for status in array.status]
        return any(s.name == f"icnet: {name}" and s.level == level and words in s.message for s in latest)

    def feed(number):
        for name in ("front", "left"):
            cameras[name].publish(image(number, pictures[name], name))
        graph.spin_for(0.05)

    def rear_alone_is_stale():
        feed(4)
        return said("rear", STALE, "no image for") and said("front", OK, "frames/s") and said("left", OK, "frames/s")

    graph.spin_until(rear_alone_is_stale)

    def left_alone_fails():
        cameras["left"].publish(image(5, step=10))
        cameras["front"].publish(image(6))  # its success says nothing of the left one
        graph.spin_for(0.1)
        return said("left", ERROR, "step 10 is less") and said("front", OK, "frames/s")

    graph.spin_until(left_alone_fails)

    def left_spoils_no_batch():
        cameras["left"].publish(image(5, pixels(40, 50), "left"))  # not of the size of its mask
        cameras["front"].publish(image(6))
        graph.spin_for(0.1)
        return said("left", ERROR, "left.png is 64x48") and said("front", OK, "frames/s")

    graph.spin_until(left_spoils_no_batch)
    graph.spin_until(lambda: latencies["front"][-1].header.stamp.sec == 1_006)
    assert latencies["front"][-1].failed == 0


def test_none_starves_while_another_floods(graph, model):
    """Each frame of the quiet cameras is answered although the loud one always has the next one waiting."""
    graph.start_node(model, cameras=["front", "left", "rear"])
    cameras = {name: graph.camera(f"/{name}/image") for name in ("front", "left", "rear")}
    latencies = {name: graph.listen(FrameLatency, f"/icnet/{name}/latency", 100)[0] for name in cameras}
    graph.spin_until(lambda: latencies["front"], again=lambda: cameras["front"].publish(image()))
    flood = itertools.count()

    def flooding(done):
        for _ in range(10):
            cameras["front"].publish(image(next(flood)))
        return done()

    for number in range(1, 7):
        for name in ("left", "rear"):
            cameras[name].publish(image(number))

        def answered(number=number):
            return all(len(latencies[name]) == number for name in ("left", "rear"))

        graph.spin_until(lambda answered=answered: flooding(answered))
    assert latencies["left"][-1].dropped == latencies["rear"][-1].dropped == 0
    # A quick node may have kept up with the few images so far.
    graph.spin_until(lambda: flooding(lambda: latencies["front"][-1].dropped > 0))


def test_a_lazy_node_takes_images_only_for_listeners(graph, model):
    graph.start_node(model, cameras=["front", "left"], lazy=True)
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
    info, _ = graph.listen(LabelInfo, "/icnet/left/label_info", LATCHED)
    graph.spin_until(lambda: info and any("idle" in s.message for array in statuses[-1:] for s in array.status))
    count = graph.node.count_subscribers
    assert (count("/front/image"), count("/left/image")) == (0, 0)
    labels, subscription = graph.listen(Image, "/icnet/left/labels")
    camera = graph.camera("/left/image")
    assert count("/front/image") == 0
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))
    graph.node.destroy_subscription(subscription)
    graph.spin_until(lambda: count("/left/image") == 0)
    assert graph.set("lazy", value=False).successful
    graph.spin_until(lambda: count("/front/image") == count("/left/image") == 1)


@pytest.mark.parametrize("cameras", [["front", "front"], ["front", ""], ["front left"]])
def test_names_that_cannot_be_topics_are_refused(graph, model, cameras):
    process = graph.start_node(model, cameras=cameras)
    assert process.popen.wait(30) == 2
    assert "cameras" in process.text
    assert "Traceback" not in process.text


def test_a_size_from_a_topic_that_is_none_is_refused(graph, model):
    process = graph.start_node(model, output_like="/camera/depth/")
    assert process.popen.wait(30) == 2
    assert "output_like" in process.text
