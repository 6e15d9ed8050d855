"""What a planner relies on, checked by an independent typed subscriber."""

import math
import time
from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import image, jpeg, pixels
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import Frame
from icnet_ros.engine.table import open_engine

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_labels_carry_the_image_header_size_and_the_engines_answer(graph, model, name):
    graph.start_node(model, engine=name)
    labels, _ = graph.listen(Image, "/icnet/labels")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    camera = graph.camera()
    engine = open_engine(name, load(model))
    for number, size in enumerate([(48, 64), (33, 57), (120, 80)], 1):
        bgr = pixels(*size, number)
        sent = image(number, bgr, f"camera_{number}")
        camera.publish(sent)
        graph.spin_until(lambda number=number: len(labels) == len(latencies) == number)
        answer = labels[-1]
        assert answer.header == sent.header
        assert (answer.encoding, answer.height, answer.width, answer.step) == ("mono8", *size, size[1])
        assert isinstance(answer.data, array)
        expected = engine.segment([Frame(bgr)])[0].labels
        assert np.array_equal(np.frombuffer(answer.data, np.uint8).reshape(size), expected)
        latency = latencies[-1]
        assert latency.header == sent.header
        assert (latency.engine, latency.exit) == (name, "sub124")
        assert (latency.received, latency.processed, latency.dropped, latency.failed) == (number, number, 0, 0)
        parts = ("wait", "decode", "preprocess", "inference", "postprocess", "publish")
        spent = sum(getattr(latency, f"{part}_ms") for part in parts)
        assert 0 < latency.inference_ms < spent <= latency.total_ms * 1.01
        assert latency.age_ms > 1e9  # the stamp is decades old


def test_precision_auto_is_said(graph, model):
    """The default; diagnostics say what was chosen and why."""
    graph.start_node(model, precision="auto", engine="onnxruntime")
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")

    def values():
        return {pair.key: pair.value for array in arrays[-1:] for pair in array.status[0].values}

    graph.spin_until(lambda: "precision_reason" in values())
    assert values()["precision"] == "fp32"  # there is no int8 file beside this model
    assert values()["precision_reason"] == "no int8: there is no int8 file for sub124, see icnet quantize"


def test_a_frame_without_a_stamp_has_no_age(graph, model):
    graph.start_node(model)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    message = image()
    message.header.stamp.sec = message.header.stamp.nanosec = 0
    camera = graph.camera()
    graph.spin_until(lambda: latencies, again=lambda: camera.publish(message))
    assert math.isnan(latencies[0].age_ms)
    assert math.isnan(latencies[0].transport_ms)


def test_compressed_input(graph, model):
    graph.start_node(model, "image:=/cam/front", input_transport="compressed")
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera("/cam/front/compressed", CompressedImage)
    graph.spin_until(lambda: labels, again=lambda: camera.publish(jpeg()))
    assert (labels[0].height, labels[0].width, labels[0].header.frame_id) == (48, 64, "front")


def test_overlay_and_confidence_come_only_when_subscribed(graph, model):
    graph.start_node(model)
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    camera.publish(image(1))
    graph.spin_until(lambda: len(labels) == 1)
    overlay, _ = graph.listen(Image, "/icnet/overlay")
    confidence, _ = graph.listen(Image, "/icnet/confidence")
    packed, _ = graph.listen(CompressedImage, "/icnet/overlay/compressed")
    node_sees = graph.node.get_publishers_info_by_topic
    graph.spin_until(lambda: all(node_sees(f"/icnet/{t}") for t in ("overlay", "confidence", "overlay/compressed")))
    for number in range(2, 200):  # until the node has seen the subscriptions
        camera.publish(image(number))
        graph.spin_until(lambda number=number: len(labels) == number)
        if overlay and confidence and packed:
            break
    assert (overlay[-1].encoding, overlay[-1].step) == ("bgr8", 192)
    assert (confidence[-1].encoding, confidence[-1].step) == ("mono8", 64)
    assert min(np.frombuffer(confidence[-1].data, np.uint8)) >= 255 / 3 - 1  # the best of three classes
    assert packed[-1].format.startswith("bgr8; jpeg")
    assert overlay[-1].header.stamp.nanosec == 987_654_321


def test_label_info_reaches_who_comes_late(graph, model):
    graph.start_node(model)
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))
    info, _ = graph.listen(LabelInfo, "/icnet/label_info", LATCHED)
    graph.spin_until(lambda: info)
    table = {entry.class_id: entry.class_name for entry in info[0].class_map}
    assert table == {0: "road", 1: "car", 2: "sky", 255: "unlabelled"}


def test_names_and_quality_of_service(graph, model):
    graph.start_node(model, "__ns:=/front")
    graph.spin_until(lambda: graph.node.get_subscriptions_info_by_topic("/front/image"))
    (image_in,) = graph.node.get_subscriptions_info_by_topic("/front/image")
    assert image_in.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    for topic in ("labels", "confidence", "overlay", "overlay/compressed", "latency", "label_info"):
        (offer,) = graph.node.get_publishers_info_by_topic(f"/front/icnet/{topic}")
        assert offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        latched = offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert latched == (topic == "label_info")


def test_quality_of_service_can_be_overridden(graph, model):
    graph.start_node(model, **{"qos_overrides./image.subscription.reliability": "reliable"})
    graph.spin_until(lambda: graph.node.get_subscriptions_info_by_topic("/image"))
    (image_in,) = graph.node.get_subscriptions_info_by_topic("/image")
    assert image_in.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_an_override_changes_its_topic_only(graph, model):
    graph.start_node(model, **{"qos_overrides./icnet/labels.publisher.durability": "transient_local"})
    durability = {}
    for topic in ("/icnet/labels", "/icnet/overlay", "/icnet/color"):
        graph.spin_until(lambda topic=topic: graph.node.get_publishers_info_by_topic(topic))
        durability[topic] = graph.node.get_publishers_info_by_topic(topic)[0].qos_profile.durability
    assert durability.pop("/icnet/labels") == DurabilityPolicy.TRANSIENT_LOCAL
    assert set(durability.values()) == {DurabilityPolicy.VOLATILE}


def test_the_advice_for_an_incompatible_subscriber_can_be_followed(graph, model):
    """Without the override the subscriber gets nothing; with the one that the log recommends, it is served."""
    wanted = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    advice = "qos_overrides./icnet/labels.publisher.durability"
    process = graph.start_node(model)
    graph.listen(Image, "/icnet/color", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
    graph.listen(Image, "/icnet/overlay")
    graph.late_subscriber = graph.node.create_subscription(Image, "/icnet/labels", lambda _: None, wanted)
    graph.spin_until(lambda: advice in process.text)
    graph.spin_for(2.5)  # two more checks
    assert process.text.count("requests an incompatible QoS") == 1  # once, and for no other subscriber
    graph.start_node(model, "__ns:=/b", **{advice.replace("/icnet", "/b/icnet"): "transient_local"})
    labels = []
    graph.served = graph.node.create_subscription(Image, "/b/icnet/labels", labels.append, wanted)
    camera = graph.camera("/b/image")
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))


@pytest.mark.parametrize(
    ("published", "kind", "reason"),
    [
        ("/imag", Image, "nobody publishes /image; /imag is an image topic"),
        ("/image/compressed", CompressedImage, "/image/compressed is published: set input_transport to compressed"),
        ("/image", LabelInfo, "/image is published as vision_msgs/msg/LabelInfo, not as sensor_msgs/msg/Image"),
    ],
)
def test_a_camera_that_sends_nothing_is_explained(graph, model, published, kind, reason):
    """In the log and in /diagnostics: what the graph shows instead of the wanted topic."""
    process = graph.start_node(model, input_timeout_s=1.0)
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.other_topic = graph.node.create_publisher(kind, published, 1)
    graph.spin_until(lambda: any(reason in status.message for array in arrays for status in array.status))
    graph.spin_until(lambda: reason in process.text)


def test_another_segmentation_nodes_labels_are_not_proposed(graph, model):
    graph.start_node(model, "__ns:=/front", "image:=/oak/rgb/preview")
    camera = graph.camera("/oak/rgb/preview")
    process = graph.start_node(model, "~/labels:=/image_of_labels", input_timeout_s=1.0)
    graph.spin_until(lambda: "nobody publishes /image; if /oak/rgb/preview, the only image topic" in process.text)
    graph.node.destroy_publisher(camera)
    graph.spin_until(lambda: process.text.rstrip().endswith("no images yet: nobody publishes /image"))


def test_diagnostics_of_two_namespaces_have_different_names(graph, model):
    for namespace in ("/a", "/b"):
        graph.start_node(model, f"__ns:={namespace}")
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    wanted = {"a/icnet: segmentation", "b/icnet: segmentation"}
    graph.spin_until(lambda: wanted <= {status.name for array in arrays for status in array.status})


def test_simulated_time_without_a_clock_is_reported(graph, model):
    """With the system's time: diagnostic_aggregator takes a stamp of 0 for none."""
    graph.start_node(model, use_sim_time=True)
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: arrays)
    assert abs(arrays[0].header.stamp.sec - time.time()) < 60
    camera = graph.camera("/image")
    graph.spin_until(
        lambda: any("/clock" in status.message for array in arrays for status in array.status),
        again=lambda: camera.publish(image(12)),
    )


def test_an_incompatible_publisher_is_reported_with_the_fix(graph, model):
    process = graph.start_node(model, **{"qos_overrides./image.subscription.reliability": "reliable"})
    graph.camera_without_match = graph.node.create_publisher(
        Image, "/image", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    graph.spin_until(lambda: "qos_overrides./image.subscription.reliability" in process.text)


def test_diagnostics_follow_the_input(graph, model):
    graph.start_node(model, input_timeout_s=1.0, statistics_window_s=3.0)
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")

    def last(level, words):
        statuses = [s for array in arrays[-1:] for s in array.status if s.name == "icnet: segmentation"]
        return bool(statuses) and statuses[0].level == level and words in statuses[0].message

    camera = graph.camera()
    graph.spin_until(lambda: last(b"\3", "no image for"))
    sent = itertools_count()

    def feed():
        camera.publish(image(next(sent)))
        return last(b"\0", "frames/s")

    graph.spin_until(feed)
    values = {pair.key: pair.value for pair in arrays[-1].status[0].values}
    assert values["input_size"] == "64x48"
    assert values["checkpoint"] == "tiny"
    assert float(values["total_ms_p50"]) > 0
    assert int(values["received"]) >= int(values["processed"]) > 0
    assert arrays[-1].status[0].hardware_id.startswith("cpu")
    graph.spin_until(lambda: last(b"\3", "no image for"))


def itertools_count():
    import itertools

    return itertools.count(1)


def test_a_large_best_effort_stream_arrives_whole_with_the_shipped_profile(graph, model):
    """20 frames of 1024 x 2048 at 5 Hz; docs/benchmarks.md has the long run."""
    import time

    graph.start_node(model, exit="sub4")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", QoSProfile(depth=50))
    camera = graph.camera()
    big = pixels(1024, 2048)
    started = time.monotonic()
    for number in range(1, 21):
        camera.publish(image(number, big))
        while time.monotonic() < started + number / 5:
            graph.executor.spin_once(timeout_sec=0.01)
    graph.spin_until(lambda: latencies and latencies[-1].header.stamp.sec == 1_020)
    assert latencies[-1].received == 20
