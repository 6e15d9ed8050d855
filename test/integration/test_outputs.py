"""What planners and maps consume, received by independent typed subscribers."""

import math
import re
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.msg import ChannelInfo, FrameLatency
from lifecycle_msgs.msg import Transition
from messages import array, calibration, engine, image, pixels
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import LabelInfo

from icnet_ros.engine.base import Frame, Request

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
GROUPS = """
name: two
groups:
  - {name: ground, colour: [1, 2, 3], classes: [road]}
  - {name: thing, colour: [4, 5, 6], classes: [car]}
unlabelled: [sky]
"""


def test_groups_replace_the_classes_everywhere(graph, node, model, tmp_path):
    (tmp_path / "two.yaml").write_text(GROUPS)
    labels, _ = graph.listen(Image, "/icnet/labels")
    confidence, _ = graph.listen(Image, "/icnet/confidence")
    color, _ = graph.listen(Image, "/icnet/color")
    info, _ = graph.listen(LabelInfo, "/icnet/label_info", LATCHED)
    node.start(label_groups=str(tmp_path / "two.yaml"))
    node.ask(lambda: labels and confidence and color and info)
    expected = engine(model, label_groups=str(tmp_path / "two.yaml")).segment(
        [Frame(pixels())], Request(confidence=True)
    )[0]
    assert np.array_equal(array(labels[-1]), expected.labels)
    assert np.array_equal(array(confidence[-1]), expected.confidence)
    table = {entry.class_id: entry.class_name for entry in info[0].class_map}
    assert table == {0: "ground", 1: "thing", 255: "unlabelled"}
    colours = np.zeros((256, 3), np.uint8)
    colours[:2] = (1, 2, 3), (4, 5, 6)
    assert color[-1].encoding == "rgb8"
    assert np.array_equal(array(color[-1], channels=(3,)), colours[expected.labels])


def test_labels_of_the_size_that_was_asked_for_and_their_camera_info(graph, node, model):
    labels, _ = graph.listen(Image, "/icnet/labels")
    infos, _ = graph.listen(CameraInfo, "/icnet/camera_info")
    overlay, _ = graph.listen(Image, "/icnet/overlay")
    node.start("/cam/image_raw", output_width=32, output_height=36)
    source = graph.node.create_publisher(CameraInfo, "/cam/camera_info", 10)
    sent = calibration()

    def again():
        source.publish(sent)
        node.camera.publish(image(5))

    graph.spin_until(lambda: labels and infos and overlay, again=again)
    expected = engine(model).segment([Frame(pixels(), size=(36, 32))])[0].labels
    assert np.array_equal(array(labels[-1]), expected)
    assert (overlay[-1].height, overlay[-1].width) == (36, 32)
    info = infos[-1]
    assert info.header == labels[-1].header
    assert (info.height, info.width, info.distortion_model) == (36, 32, "plumb_bob")
    assert np.allclose(info.k, [25, 0, 15.75, 0, 45, 17.625, 0, 0, 1])
    assert np.allclose(info.p, [25, 0, 15.75, 0.25, 0, 45, 17.625, 0.1875, 0, 0, 1, 0])


def test_a_camera_info_without_a_size_gets_that_of_its_image(graph, node):
    infos, _ = graph.listen(CameraInfo, "/icnet/camera_info")
    node.start()
    source = graph.node.create_publisher(CameraInfo, "/camera_info", 10)
    graph.spin_until(lambda: infos, again=lambda: source.publish(CameraInfo()) or node.camera.publish(image()))
    assert (infos[-1].height, infos[-1].width, infos[-1].k[0]) == (48, 64, 0.0)


def test_labels_get_the_size_of_another_topic(graph, node):
    labels, _ = graph.listen(Image, "/icnet/labels")
    node.start(output_like="/depth/image")
    node.ask(lambda: "no message on /depth/image yet" in node.process.text)
    assert not labels
    depth = graph.node.create_publisher(Image, "/depth/image", 10)
    message = Image(height=20, width=30, encoding="16UC1", step=60, data=bytes(1200))

    def again():
        depth.publish(message)
        node.camera.publish(image())

    graph.spin_until(lambda: labels, again=again)
    assert (labels[0].height, labels[0].width) == (20, 30)


def test_labels_as_png_are_the_labels(graph, node):
    labels, _ = graph.listen(Image, "/icnet/labels")
    packed, _ = graph.listen(CompressedImage, "/icnet/labels/compressed")
    node.start()
    node.ask(lambda: labels and packed)
    assert packed[-1].format == "mono8; png compressed mono8"
    decoded = cv2.imdecode(np.frombuffer(packed[-1].data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, array(labels[-1]))


def test_scores_and_the_names_of_their_channels(graph, node, model):
    scores, _ = graph.listen(Image, "/icnet/scores")
    names, _ = graph.listen(ChannelInfo, "/icnet/scores/channels", LATCHED)
    node.start(score_classes=["sky", "road"])
    node.ask(lambda: scores and names)
    assert names[0].channels == ["sky", "road"]
    assert (scores[-1].encoding, scores[-1].step) == ("32FC2", 64 * 8)
    expected = engine(model).segment([Frame(pixels())], Request(scores=(2, 0)))[0].scores
    assert np.allclose(array(scores[-1], np.float32, (2,)), expected, atol=1e-6)


def test_an_empty_list_of_score_classes_is_all_of_them(graph, node):
    scores, _ = graph.listen(Image, "/icnet/scores")
    names, _ = graph.listen(ChannelInfo, "/icnet/scores/channels", LATCHED)
    node.start(score_classes=[])
    node.ask(lambda: scores and names)
    assert (names[-1].channels, scores[-1].encoding) == (["road", "car", "sky"], "32FC3")
    assert graph.change(Transition.TRANSITION_DEACTIVATE)
    assert graph.set("score_classes", ["sky"]).successful
    empty = Parameter("score_classes", Parameter.Type.STRING_ARRAY, []).to_parameter_msg()
    answer = graph.call(SetParameters, "/icnet/set_parameters", SetParameters.Request(parameters=[empty]))
    assert answer.results[0].successful
    scores.clear()
    assert graph.change(Transition.TRANSITION_ACTIVATE)
    node.ask(lambda: scores)
    assert scores[-1].encoding == "32FC3"


def test_a_turned_camera_with_a_mask(graph, node, model, tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[30:, 10:50] = 255
    cv2.imwrite(str(tmp_path / "robot.png"), mask)
    labels, _ = graph.listen(Image, "/icnet/labels")
    confidence, _ = graph.listen(Image, "/icnet/confidence")
    node.start(rotate=90, mask=str(tmp_path / "robot.png"))
    node.ask(lambda: labels and confidence)
    expected = engine(model, rotate=90).segment([Frame(pixels())])[0].labels
    found = array(labels[-1])
    assert (found[mask > 0] == 255).all()
    assert not array(confidence[-1])[mask > 0].any()
    assert np.array_equal(found[mask == 0], expected[mask == 0])
    node.ask(lambda: "robot.png is 64x48, the image 80x60" in node.process.text, image(2, pixels(60, 80)))
    count = len(labels)
    node.ask(lambda: len(labels) > count)


def test_a_rate_limit_counts_what_it_leaves_out(graph, node):
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 100)
    node.start(max_rate=4.0)
    started = time.monotonic()
    for number in range(40):
        node.camera.publish(image(number))
        graph.spin_for(0.05)
    last = latencies[-1]
    seconds = time.monotonic() - started
    assert last.skipped >= 20
    assert last.received <= 4 * 1.3 * seconds + 2
    assert last.received >= 3
    assert last.dropped == 0
    assert graph.set("max_rate", 0.0).successful
    for number in range(40, 70):
        node.camera.publish(image(number))
        graph.spin_for(0.05)
    first = next(message for message in latencies if message.header.stamp.sec >= 1_045)
    assert latencies[-1].skipped == first.skipped
    assert latencies[-1].received > first.received + 10
    assert graph.set("max_rate", 0.01).successful
    count = latencies[-1].processed
    for rate, number in ((0.01, 80), (50.0, 90)):  # a limit that was raised holds at once
        assert graph.set("max_rate", rate).successful
        for later in range(5):
            node.camera.publish(image(number + later))
            graph.spin_for(0.1)
        assert (latencies[-1].processed > count + 2) == (rate > 1)


def test_label_info_without_unlabelled_and_with_a_threshold(graph, node, model):
    answer = engine(model).segment([Frame(pixels())], Request(confidence=True))[0]
    threshold = float(np.median(answer.confidence)) / 255 + 0.001
    labels, _ = graph.listen(Image, "/icnet/labels")
    node.start(publish_unlabelled=False, confidence_threshold=threshold)
    node.ask(lambda: labels)
    info, _ = graph.listen(LabelInfo, "/icnet/label_info")  # volatile, and late
    graph.spin_until(lambda: info)
    assert [entry.class_name for entry in info[0].class_map] == ["road", "car", "sky"]
    assert math.isclose(info[0].threshold, threshold, abs_tol=1e-6)
    expected = np.where(answer.confidence < 255 * threshold, 255, answer.labels)
    assert np.array_equal(array(labels[-1]), expected)
    assert 255 in expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label_groups", "nav3", "label_groups: no label groups 'nav3'"),
        ("label_groups", "{}/bad.yaml", r"bad\.yaml: group thing: no class 'kar'; tiny has road, car, sky"),
        ("mask", "{}/none.png", r"mask: .*none\.png"),
        ("score_classes", "['road', 'lake']", "score_classes: no class 'lake'; there are road, car, sky"),
        ("output_width", "30", "output_width and output_height belong together"),
        ("cloud_transform", "1 2 3", "cloud_transform: '1 2 3' is no transform: seven numbers"),
        ("cloud_transform", "0 0 0 0 0 0 0", "cloud_transform: .*is no transform"),
        ("rotate", "45", "rotate is 45; it takes one of 0, 90, 180, 270"),
    ],
)
def test_files_and_values_that_cannot_be_used(graph, model, tmp_path, name, value, words):
    (tmp_path / "bad.yaml").write_text(GROUPS.replace("[car]", "[kar]"))
    process = graph.start("--ros-args", "-p", f"model:={model}", "-p", f"{name}:={value.format(tmp_path)}")
    assert process.popen.wait(60) == 2
    assert re.search(words, process.text), process.text
    assert "Traceback" not in process.text
