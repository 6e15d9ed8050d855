"""What the node derives from the table of outputs, and what one that fails costs."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError, LabelMap
from icnet_ros.node.frame import DecodedFrame, LabelledFrame, NotYet, ReceivedImage
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs import camera_outputs
from icnet_ros.node.outputs.base import Output, Topic
from icnet_ros.node.outputs.camera_outputs import CameraOutputs
from icnet_ros.node.outputs.table import OUTPUTS
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.ros.releases import CAN_REPORT_MATCHES
from icnet_ros.node.worker import Counters
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import Picture, make_header

SPEC = ModelSpec(load_classes("camvid"), trained=True)


class Publisher:
    def __init__(self, topic_name):
        self.topic_name, self.subscribers, self.sent = topic_name, 0, []

    def publish(self, message):
        self.sent.append(message)

    def get_subscription_count(self):
        return self.subscribers


class Node:
    """What outputs need of a node; its clock is at 5 s, `logged` are its warnings."""

    def __init__(self):
        self.publishers, self.logged, self.nanoseconds = {}, [], 5 * 10**9
        self.changes = []
        self.durabilities, self.events = [], {}

    def create_publisher(self, kind, name, *, event_callbacks, **_):
        self.events[name.removeprefix("~/")] = event_callbacks
        return self.publishers.setdefault(name.removeprefix("~/"), Publisher(name))

    create_lifecycle_publisher = create_publisher

    def get_subscriptions_info_by_topic(self, _):
        return [SimpleNamespace(qos_profile=QoSProfile(depth=1, durability=one)) for one in self.durabilities]

    def destroy_lifecycle_publisher(self, publisher):
        self.publishers.pop(publisher.topic_name.removeprefix("~/"))

    def get_clock(self):
        return self

    def now(self):
        return self

    def to_msg(self):
        return Time(sec=5)

    def get_logger(self):
        return self

    def warning(self, text):
        self.logged.append(text)


@pytest.fixture
def node():
    return Node()


def opened(node, **settings):
    return CameraOutputs(node, "", SPEC, Parameters(**settings), lambda: node.changes.append(None))


def frame(confidence=True, scored=(), inputs=None, **settings):
    pixels = np.zeros((4, 6, 3), np.uint8)
    picture = Picture(make_header(10**9, "camera"), pixels, "bgr")
    decoded = DecodedFrame("", ReceivedImage(b"", 0.0, 5 * 10**9), 0.0, 0.0, picture, None)
    scores = np.stack([np.full((4, 6), one / 10, np.float32) for one in scored], -1) if scored else None
    sure = np.full((4, 6), 100, np.uint8) if confidence else None
    stages = {"preprocess": 1.0, "inference": 2.0, "postprocess": 3.0}
    label_map = LabelMap(np.ones((4, 6), np.uint8), sure, scores, stages)
    return LabelledFrame(decoded, label_map, scored, "torch", "sub4", Parameters(**settings), inputs, Counters(), 0.0)


def publish(outputs, labelled):
    outputs.publish(labelled, outputs.wanted(labelled.settings).outputs)


@pytest.mark.parametrize(
    ("topic", "needs"),
    [
        ("confidence", Needs(confidence=True)),
        ("scores", Needs(scores=(0, 3))),
        ("camera_info", Needs(camera_info=True)),
        ("points", Needs(confidence=True, depth=True)),
        ("cloud", Needs(confidence=True, camera_info=True, cloud=True)),
        ("grid", Needs(camera_info=True)),
        ("scan", Needs(camera_info=True)),
        ("overlay/compressed", Needs()),
        ("scores/channels", Needs()),
    ],
)
def test_a_subscriber_makes_the_node_ask_for_what_its_output_needs(node, topic, needs):
    outputs = opened(node, score_classes=("sky", "road"))
    settings = Parameters()
    assert (outputs.wanted(settings).needs, outputs.has_subscribers()) == (Needs(), False)
    node.publishers[topic].subscribers = 1
    assert outputs.wanted(settings).needs == needs
    assert outputs.has_subscribers() == (topic != "scores/channels")
    assert outputs.wanted(Parameters(publish_confidence=False)).needs == (Needs() if topic == "confidence" else needs)


def test_needs_of_several_outputs_are_united(node):
    outputs = opened(node, confidence_threshold=0.5)
    assert outputs.wanted(Parameters()).needs == Needs(confidence=True), "the threshold needs it for every frame"
    for topic in ("scores", "cloud"):
        node.publishers[topic].subscribers = 1
    assert outputs.wanted(Parameters()).needs == Needs(True, tuple(range(11)), camera_info=True, cloud=True)
    assert Needs(scores=(3, 1)) | Needs(scores=(1, 2)) == Needs(scores=(3, 1, 2))


def test_only_what_has_subscribers_is_published_and_the_latency_last(node, monkeypatch):
    outputs = opened(node)
    sent = []
    for name, publisher in node.publishers.items():
        monkeypatch.setattr(publisher, "publish", lambda _, name=name: sent.append(name))
    publish(outputs, frame())
    assert sent == ["labels"]
    sent.clear()
    for name in ("latency", "color", "overlay/compressed", "confidence"):
        node.publishers[name].subscribers = 1
    publish(outputs, frame())
    assert sent == ["labels", "confidence", "color", "overlay/compressed", "latency"]


def test_channels_are_those_of_the_output_whatever_else_was_scored(node):
    outputs = opened(node, score_classes=("road", "sky"))
    node.publishers["scores"].subscribers = 1
    publish(outputs, frame(scored=(0, 5, 3)))
    message = node.publishers["scores"].sent[0]
    values = np.frombuffer(message[-4 * 6 * 2 * 4 :], np.float32).reshape(4, 6, 2)
    assert np.allclose(values[0, 0], [0.3, 0.0])
    publish(outputs, frame(scored=(0,)))  # labelled without what it needs
    assert (len(node.publishers["scores"].sent), outputs.error()) == (1, "")


def test_pixels_below_the_threshold_are_unlabelled_in_every_output(node):
    outputs = opened(node, confidence_threshold=0.5)
    publish(outputs, frame(confidence_threshold=0.5))
    assert (decode_labels(node.publishers["labels"].sent[0])[1] == 255).all()


class Fragile(Output):
    """An output that fails as told."""

    topics = (Topic("fragile", Image, "sensor_msgs/Image"),)
    error: Exception | None = None
    resets = 0

    def publish(self, frame):
        if self.error is not None:
            raise self.error
        self.send("fragile", b"published")

    def reset(self):
        self.resets += 1


def test_an_output_that_fails_costs_only_itself(node, monkeypatch):
    monkeypatch.setitem(OUTPUTS, "fragile", Fragile)
    outputs = opened(node)
    publisher, fragile = node.publishers["fragile"], outputs.outputs["fragile"]
    publisher.subscribers = node.publishers["color"].subscribers = node.publishers["latency"].subscribers = 1
    now = [0.0]
    monkeypatch.setattr(camera_outputs, "perf_counter", lambda: now[0])
    fragile.error = ValueError("no depth yet")
    for second in (0.0, 1.9):
        now[0] = second
        publish(outputs, frame())
        assert (outputs.error(), node.logged, len(node.changes)) == ("", [], 1), "what it needs may still come"
    now[0] = 2.1
    for error, text in ((ValueError("no depth"), "no depth"), (TypeError("a defect"), "TypeError: a defect")):
        fragile.error, node.logged = error, []
        for second in (0.0, 1.0, 6.0):
            now[0] += second
            publish(outputs, frame())
            assert outputs.error() == f"no fragile: {text}"
        assert len(node.logged) == 2, "when it is new, and after 5 s"
        assert node.logged[0].startswith(f"no fragile: {text}")
        assert ("Traceback" in node.logged[0]) == (text != "no depth")
    fragile.error = NotYet()
    publish(outputs, frame())
    assert outputs.error() == "no fragile: TypeError: a defect", "nothing was published since"
    node.logged = []
    for number in range(3):
        fragile.error = ValueError(f"no transform at {number}.5 s")  # as tf2 says it
        publish(outputs, frame())
        assert outputs.error() == f"no fragile: no transform at {number}.5 s"
    assert len(node.logged) == 1, "a text of which only the numbers are new is not"
    assert all(len(node.publishers[name].sent) == 12 for name in ("labels", "color", "latency"))
    fragile.error = None
    publish(outputs, frame())
    assert (outputs.error(), publisher.sent) == ("", [b"published"])
    fragile.warning, fragile.figures = "it may be wrong", {"share": "0.5"}
    publish(outputs, frame())
    assert (outputs.error(), outputs.figures()) == ("fragile: it may be wrong", {"share": "0.5"})
    fragile.error = ValueError("no depth")
    publish(outputs, frame())
    publisher.subscribers = 0
    publish(outputs, frame())
    assert (outputs.error(), fragile.resets) == ("", 2), "before its first frame, and when nobody wants it any more"
    assert len(node.changes) == 2


def test_after_an_activation_outputs_wait_again_for_what_they_need(node, monkeypatch):
    monkeypatch.setitem(OUTPUTS, "fragile", Fragile)
    outputs = opened(node)
    node.publishers["fragile"].subscribers = 1
    outputs.outputs["fragile"].error = ValueError("no depth")
    now = [0.0]
    monkeypatch.setattr(camera_outputs, "perf_counter", lambda: now[0])
    for start in (0.0, 10.0):
        outputs.forget(errors=True)
        for second, error in ((0.0, ""), (1.9, ""), (2.1, "no fragile: no depth")):
            now[0] = start + second
            publish(outputs, frame())
            assert outputs.error() == error


def test_labels_that_cannot_be_published_are_a_failed_frame(node, monkeypatch):
    outputs = opened(node)

    def full(_):
        raise RuntimeError("no memory")

    monkeypatch.setattr(node.publishers["labels"], "publish", full)
    with pytest.raises(RuntimeError, match="no memory"):
        publish(outputs, frame())


def test_settings_that_cannot_be_used_leave_no_publisher(node):
    with pytest.raises(EngineError, match="no class 'cow'"):
        opened(node, score_classes=("cow",))
    assert node.publishers == {}


def test_latched_topics_are_announced_with_the_time_of_publishing(node):
    outputs = opened(node, score_classes=("road",))
    outputs.announce()
    info, channels = (node.publishers[name].sent[0] for name in ("label_info", "scores/channels"))
    assert [entry.class_name for entry in info.class_map][-1] == "unlabelled"
    assert list(channels.channels) == ["road"]
    assert info.header.stamp == channels.header.stamp == Time(sec=5)


@pytest.mark.skipif(not CAN_REPORT_MATCHES, reason="rclpy reports no matches")
def test_latched_topics_are_published_again_only_for_volatile_subscribers(node, monkeypatch):
    monkeypatch.setattr(camera_outputs, "incompatible_subscribers", lambda *_: {})
    outputs = opened(node)
    sent, matched = node.publishers["label_info"].sent, node.events["label_info"].matched
    new = SimpleNamespace(current_count_change=1)
    node.durabilities = [DurabilityPolicy.TRANSIENT_LOCAL]
    matched(new)
    outputs.check_subscribers()
    assert sent == [], "the middleware delivers it; a second one would be counted as lost"
    node.durabilities.append(DurabilityPolicy.VOLATILE)
    matched(new)
    assert len(sent) == 1
    outputs.check_subscribers()
    outputs.check_subscribers()
    assert len(sent) == 2, "once more, for one that was not ready"
    matched(SimpleNamespace(current_count_change=-1))
    outputs.check_subscribers()
    assert len(sent) == 2
