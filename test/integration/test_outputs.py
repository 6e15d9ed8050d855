"""What planners and maps consume, received by independent typed subscribers."""

import math
import re

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.msg import ChannelInfo, FrameLatency
from messages import image, pixels
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
GROUPS = """
name: two
groups:
  - {name: ground, colour: [1, 2, 3], classes: [road]}
  - {name: thing, colour: [4, 5, 6], classes: [car]}
unlabelled: [sky]
"""


def array(message, dtype=np.uint8, channels=()):
    values = np.frombuffer(message.data, dtype)
    return values.reshape(message.height, message.width, *channels)


def engine(model, **options):
    return open_engine("torch", load(model), EngineOptions("cpu", **options))


def calibration(height=48, width=64, **fields):
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0], **fields)
    info.k = [50.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
    info.p = [50.0, 0.0, 31.5, 0.5, 0.0, 60.0, 23.5, 0.25, 0.0, 0.0, 1.0, 0.0]
    info.header.frame_id = "optical"
    return info


@pytest.fixture
def node(graph, model):
    """Starts the node with parameters; `ask` sends one image again and again until `done`."""

    class Node:
        def start(self, topic="/image", **parameters):
            self.process = graph.start_node(model, f"image:={topic}", engine="torch", **parameters)
            self.camera = graph.camera(topic)

        def ask(self, done, message=None):
            return graph.spin_until(done, again=lambda: self.camera.publish(message or image()))

    return Node()


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


def slow_cloud(depth, k, bgr, labels, confidence):
    """(H * W, 6) in float64, point by point; colours as integers."""
    rows = []
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            z = float(depth[v, u])
            blue, green, red = (int(value) for value in bgr[v, u])
            x, y = (u - k[2]) * z / k[0], (v - k[5]) * z / k[4]
            rows.append((x, y, z, red << 16 | green << 8 | blue, labels[v, u], confidence[v, u] / 255))
    return np.array(rows)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_points_are_the_depth_image_with_labels(graph, node, model, encoding):
    clouds, _ = graph.listen(PointCloud2, "/icnet/points")
    node.start(output_like="/depth/image")
    depth_out = graph.node.create_publisher(Image, "/depth/image", 10)
    info_out = graph.node.create_publisher(CameraInfo, "/depth/camera_info", 10)
    millimetres = np.random.default_rng(0).integers(300, 9000, (24, 32)).astype(np.uint16)
    millimetres[3, 4] = millimetres[10] = 0
    values = millimetres if encoding == "16UC1" else (millimetres / 1000).astype(np.float32)
    depth = Image(height=24, width=32, encoding=encoding, step=32 * values.itemsize, data=values.tobytes())
    depth.header.frame_id = "front"
    info = calibration(24, 32)
    colours = [image(number) for number in range(1, 200)]
    colour = colours[0]

    def again():
        nonlocal colour
        colour = colours.pop(0)
        depth.header.stamp.sec = colour.header.stamp.sec
        depth.header.stamp.nanosec = colour.header.stamp.nanosec - 40_000_000
        # The points of an image come with the next one: a depth image nearer to it might have followed.
        for publisher, message in ((info_out, info), (depth_out, depth), (node.camera, colour)):
            publisher.publish(message)

    graph.spin_until(lambda: clouds, again=again)
    cloud = clouds[-1]
    assert (cloud.height, cloud.width, cloud.is_dense, cloud.header.frame_id) == (24, 32, False, "front")
    assert cloud.header.stamp.sec < colour.header.stamp.sec
    names = {field.name: (field.offset, field.datatype) for field in cloud.fields}
    assert names == {
        "x": (0, 7), "y": (4, 7), "z": (8, 7), "rgb": (12, 7), "label": (16, 6), "confidence": (20, 7)
    }  # fmt: skip
    kinds = np.dtype([(name, "<u4" if name in ("rgb", "label") else "<f4") for name in names])
    points = np.frombuffer(cloud.data, kinds)
    answer = engine(model).segment([Frame(pixels(), size=(24, 32))], Request(confidence=True))[0]
    metres = np.where(millimetres > 0, millimetres / 1000, np.nan)
    small = cv2.resize(pixels(), (32, 24), interpolation=cv2.INTER_LINEAR)
    expected = slow_cloud(metres, info.k, small, answer.labels, answer.confidence)
    for column, name in enumerate(names):
        assert np.allclose(points[name], expected[:, column], rtol=1e-6, atol=1e-6, equal_nan=True), name
    assert np.isnan(points["x"]).sum() == 33


def test_points_have_the_depth_of_their_own_image_though_it_comes_after_the_labels(graph, node):
    labels, _ = graph.listen(Image, "/icnet/labels")
    clouds, _ = graph.listen(PointCloud2, "/icnet/points")
    node.start(output_width=32, output_height=24)
    depth_out = graph.node.create_publisher(Image, "/depth/image", 10)
    info_out = graph.node.create_publisher(CameraInfo, "/depth/camera_info", 10)
    graph.spin_until(lambda: depth_out.get_subscription_count() and info_out.get_subscription_count())
    node.ask(lambda: labels, image(1))
    for number in range(2, 8):
        colour = image()
        colour.header.stamp.sec, colour.header.stamp.nanosec = 1_100, number * 33_000_000
        count = len(labels)
        node.camera.publish(colour)
        graph.spin_until(lambda count=count: len(labels) > count)
        metres = np.full((24, 32), number, np.float32)
        depth = Image(height=24, width=32, encoding="32FC1", step=128, data=metres.tobytes(), header=colour.header)
        for publisher, message in ((info_out, calibration(24, 32)), (depth_out, depth)):
            publisher.publish(message)
        graph.spin_for(0.05)
    graph.spin_until(lambda: len(clouds) >= 4)
    for cloud in clouds:
        seconds = cloud.header.stamp.sec + cloud.header.stamp.nanosec / 1e9 - 1100
        depth = np.frombuffer(cloud.data, np.float32).reshape(24, 32, -1)[..., 2]
        assert np.allclose(depth, round(seconds / 0.033))


def depth_camera(graph, node):
    """A depth image of 32x24, and a function that publishes it with its CameraInfo and a colour image."""
    depth_out = graph.node.create_publisher(Image, "/depth/image", 10)
    info_out = graph.node.create_publisher(CameraInfo, "/depth/camera_info", 10)
    depth = Image(height=24, width=32, encoding="16UC1", step=64, data=bytes(1536), header=image().header)

    def again():
        for publisher, message in ((info_out, calibration(24, 32)), (depth_out, depth), (node.camera, image())):
            publisher.publish(message)

    return depth, again


@pytest.mark.parametrize("like", ["/depth/image", "/depth/camera_info"])
@pytest.mark.parametrize("early", [True, False])
def test_one_topic_gives_the_size_and_the_points(graph, node, like, early):
    """early: whether the points have a subscriber before the size is known."""
    labels, _ = graph.listen(Image, "/icnet/labels")
    clouds = graph.listen(PointCloud2, "/icnet/points")[0] if early else None
    node.start(output_like=like)
    _, again = depth_camera(graph, node)
    graph.spin_until(lambda: labels, again=again)
    assert (labels[0].height, labels[0].width) == (24, 32)
    if clouds is None:
        clouds, _ = graph.listen(PointCloud2, "/icnet/points")
    graph.spin_until(lambda: clouds, again=again)
    assert (clouds[0].height, clouds[0].width) == (24, 32)


def test_points_that_cannot_be_made_are_explained_and_labels_go_on(graph, node):
    labels, _ = graph.listen(Image, "/icnet/labels")
    clouds, _ = graph.listen(PointCloud2, "/icnet/points")
    node.start()
    node.ask(lambda: labels and "no points: no depth image" in node.process.text)
    depth, again = depth_camera(graph, node)
    words = "no points: the depth image is 32x24, the labels are 64x48: set output_like"
    graph.spin_until(lambda: words in node.process.text, again=again)
    depth.header.frame_id = "depth_optical"
    words = "no points: the depth image has frame 'depth_optical', the image 'front': it must be registered"
    graph.spin_until(lambda: words in node.process.text, again=again)
    count = len(labels)
    graph.spin_until(lambda: len(labels) > count, again=again)
    assert not clouds


def test_a_lidar_cloud_gets_the_labels_of_its_pixels(graph, node, model):
    clouds, _ = graph.listen(PointCloud2, "/icnet/cloud")
    node.start("/cam/image_rect", cloud_transform="0.1 0 0 0 0 0 1")
    info_out = graph.node.create_publisher(CameraInfo, "/cam/camera_info", 10)
    cloud_out = graph.node.create_publisher(PointCloud2, "/cloud", 10)
    rng = np.random.default_rng(0)
    points = rng.uniform((-3, -2, -1, 0), (3, 2, 6, 100), (500, 4)).astype(np.float32)  # x y z intensity
    fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate(("x", "y", "z", "intensity"))]
    cloud = PointCloud2(height=1, width=500, fields=fields, point_step=16, row_step=8000, data=points.tobytes())
    cloud.header.stamp, cloud.header.frame_id = image(1).header.stamp, "lidar"

    def again():
        for publisher, message in ((info_out, calibration()), (cloud_out, cloud), (node.camera, image(1))):
            publisher.publish(message)

    graph.spin_until(lambda: clouds, again=again)
    found = clouds[-1]
    assert (found.header, found.width, found.point_step) == (cloud.header, 500, 24)
    assert [field.name for field in found.fields] == ["x", "y", "z", "intensity", "label", "confidence"]
    kinds = np.dtype([("given", "<f4", 4), ("label", "<u4"), ("confidence", "<f4")])
    rows = np.frombuffer(found.data, kinds)
    assert np.array_equal(rows["given"], points)
    answer = engine(model).segment([Frame(pixels())], Request(confidence=True))[0]
    seen = 0
    for row, (x, y, z, _) in zip(rows, points.astype(float), strict=True):
        label, confidence = 255, 0.0
        if z > 0:
            u, v = round(50 * (x + 0.1) / z + 31.5), round(60 * y / z + 23.5)
            if 0 <= u < 64 and 0 <= v < 48:
                label, confidence = answer.labels[v, u], answer.confidence[v, u] / 255
                seen += 1
        assert row["label"] == label
        assert math.isclose(row["confidence"], confidence, abs_tol=1e-6)
    assert 50 < seen < 450


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
    for number in range(40):
        node.camera.publish(image(number))
        graph.spin_for(0.05)
    last = latencies[-1]
    seconds = 40 * 0.05
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
