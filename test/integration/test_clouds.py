"""Point clouds with labels, from depth images and from a LiDAR, received by independent typed subscribers."""

import math
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import calibration, engine, image, pixels
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from icnet_ros.engine.base import Frame, Request

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


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


def test_a_new_subscriber_gets_points_at_once_and_without_a_complaint(graph, node):
    """Depth images and CameraInfo are subscribed to with the first frame after it, not with the next diagnostics."""
    node.start()
    depth_out = graph.node.create_publisher(Image, "/depth/image", 10)
    infos = [graph.node.create_publisher(CameraInfo, topic, 10) for topic in ("/depth/camera_info", "/camera_info")]
    depth = Image(height=48, width=64, encoding="16UC1", step=128, data=np.full((48, 64), 2000, np.uint16).tobytes())
    depth.header.frame_id = "front"

    def stream(done, timeout):
        deadline = time.monotonic() + timeout
        while not done() and time.monotonic() < deadline:
            stream.number += 1
            colour = image(stream.number)
            depth.header.stamp = colour.header.stamp
            for publisher, message in (*((one, calibration(48, 64)) for one in infos), (depth_out, depth)):
                publisher.publish(message)
            node.camera.publish(colour)
            graph.spin_for(0.05)
        return bool(done())

    stream.number = 0
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
    for kind, topic in ((PointCloud2, "/icnet/points"), (CameraInfo, "/icnet/camera_info")):
        statuses.clear()
        assert stream(lambda: len(statuses) > 1, 5.0)
        received, _ = graph.listen(kind, topic)  # right after a status: the next one comes a second later
        statuses.clear()
        assert stream(lambda received=received: received, 5.0)
        assert stream(lambda: len(statuses) > 2, 5.0)
    assert "WARN" not in node.process.text


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
    # One that has no room for two more fields: it has no labels, but the frames have.
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    cloud.height = cloud.width = cloud.row_step = 0
    cloud.point_step, cloud.data = 2**32 - 4, b""
    graph.spin_until(lambda: "no cloud:" in node.process.text, again=again)
    count = len(latencies)
    graph.spin_until(lambda: len(latencies) > count, again=again)
    assert latencies[-1].failed == 0


def test_a_cloud_on_a_raw_image_of_a_bending_lens_says_how_far_it_is_off(graph, node):
    """At image_rect, the same camera has nothing to say."""
    clouds, _ = graph.listen(PointCloud2, "/icnet/cloud")
    node.start("/cam/image_raw", cloud_transform="0 0 0 0 0 0 1")
    info_out = graph.node.create_publisher(CameraInfo, "/cam/camera_info", 10)
    cloud_out = graph.node.create_publisher(PointCloud2, "/cloud", 10)
    fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("xyz")]
    data = np.ones(3, np.float32).tobytes()
    cloud = PointCloud2(height=1, width=1, fields=fields, point_step=12, row_step=12, data=data)
    cloud.header.stamp, cloud.header.frame_id = image(1).header.stamp, "lidar"
    bent = calibration()
    bent.d = [-0.4, 0.1, 0.0, 0.0, 0.0]

    def again():
        for publisher, message in ((info_out, bent), (cloud_out, cloud), (node.camera, image(1))):
            publisher.publish(message)

    graph.spin_until(lambda: clouds, again=again)
    graph.spin_until(lambda: "cloud: /cam/image_raw seems to be raw" in node.process.text, again=again)
