"""What a node says of a topic name that is not quite right leads to images, not in a circle."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
from icnet_ros.node.ros.graph import LATENCY, has_companion, why_no_images
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, FFMPEG_PACKET, IMAGE
from icnet_ros.wire.decoders.table import topic_of, transports


class Graph:
    """A node that sees these topics published: name -> types; by `camera`, or the node that `publishers` has."""

    def __init__(self, topics, publishers=None):
        self.topics, self.publishers = topics, publishers or {}

    def get_publishers_info_by_topic(self, topic):
        if any(token[:1].isdigit() for token in topic.split("/")):  # as rcl
            raise ValueError("topic name token must not start with a number")
        name = self.publishers.get(topic, "camera")
        kinds = self.topics.get(topic, ())
        return [SimpleNamespace(topic_type=kind, node_name=name, node_namespace="/") for kind in kinds]

    def get_topic_names_and_types(self):
        return list(self.topics.items())


@pytest.mark.parametrize(
    ("image", "transport", "published", "kind", "advice"),
    [
        ("/oak/raw/compressed", "raw", "/oak/raw/compressed", COMPRESSED_IMAGE, ("compressed", "/oak/raw")),
        ("/oak/raw/compressed", "compressed", "/oak/raw/compressed", COMPRESSED_IMAGE, ("compressed", "/oak/raw")),
        ("/oak/raw", "raw", "/oak/raw/compressed", COMPRESSED_IMAGE, ("compressed", "/oak/raw")),
        ("/oak/raw", "compressed", "/oak/raw", IMAGE, ("raw", "/oak/raw")),
        ("/oak/raw", "compressed", "/oak/raw/ffmpeg", FFMPEG_PACKET, ("ffmpeg", "/oak/raw")),
        ("/oak/raw/zstd", "raw", "/oak/raw/zstd", COMPRESSED_IMAGE, ("zstd", "/oak/raw")),
        ("/oak/rwa", "raw", "/oak/raw", IMAGE, ("raw", "/oak/raw")),
        ("/oak/mjpeg", "raw", "/oak/mjpeg", COMPRESSED_IMAGE, ("compressed", None)),
        ("/oak/mjpeg", "compressed", "/oak/mjpeg", COMPRESSED_IMAGE, ("compressed", None)),
        ("/oak/video", "raw", "/oak/video", FFMPEG_PACKET, ("ffmpeg", None)),
    ],
)
def test_the_advice_leads_to_the_images(image, transport, published, kind, advice):
    said = why_no_images(Graph({published: [kind]}), topic_of(image, transport), transports()[transport])
    transport, remapped = advice
    assert f"set input_transport to {transport} and remap image" in said
    if remapped is None:
        assert said.endswith(f"remap image/{transport}, not image, to {published}")
        return
    assert f"remap image to {remapped}" in said.removesuffix(f", without /{transport}")
    # Followed to the letter, it is what is published.
    assert topic_of(remapped, transport) == published
    assert transports()[transport] == kind


def test_a_topic_that_is_published_needs_no_advice():
    assert why_no_images(Graph({"/x": [IMAGE, COMPRESSED_IMAGE]}), "/x", IMAGE) == ""
    assert why_no_images(Graph({}), "/x", IMAGE) == "nobody publishes /x"
    said = why_no_images(Graph({"/x": ["std_msgs/msg/String"]}), "/x", IMAGE)
    assert said == "/x is published as std_msgs/msg/String, not as sensor_msgs/msg/Image"


def test_companion_topics_are_no_images():
    """Seen on Lyrical: a subscription that accepts other memory has one whose name rcl does not take."""
    companions = {"/image/_buf_cpu": [IMAGE], "/image/_buf/010f7f01a2": [IMAGE]}
    assert why_no_images(Graph(companions), "/image", IMAGE) == "nobody publishes /image"
    graph = Graph(companions | {"/rear/image": [IMAGE]})
    assert why_no_images(graph, "/front", IMAGE).endswith("remap image to /rear/image")
    assert has_companion(Graph({"/image/_buf/010f7f01a2": [IMAGE]}), "/image")
    assert not has_companion(graph, "/rear/image")


def test_another_segmentation_nodes_outputs_are_no_images():
    """Also a renamed one, and those of a recording."""
    topics = {"/icnet/labels/compressed": [COMPRESSED_IMAGE], "/rear/image": [IMAGE], "/icnet/latency": [LATENCY]}
    graph = Graph(topics, {"/icnet/labels/compressed": "icnet", "/rear/image": "icnet", "/icnet/latency": "icnet"})
    assert why_no_images(graph, "/image", IMAGE) == "nobody publishes /image"
    graph.publishers = dict.fromkeys(topics, "rosbag2_player")
    assert why_no_images(graph, "/image", IMAGE).endswith("remap image to /rear/image")


def test_a_guess_is_said_to_be_one():
    said = why_no_images(Graph({"/oak/rgb/preview": [IMAGE]}), "/x", IMAGE)
    assert said.startswith("nobody publishes /x; if /oak/rgb/preview, the only image topic, is meant: set input_transp")
    said = why_no_images(Graph({f"/oak/camera{number}": [IMAGE] for number in range(2)}), "/x", IMAGE)
    assert said == "nobody publishes /x; there are the image topics /oak/camera0, /oak/camera1"
    said = why_no_images(Graph({f"/oak/camera{number}": [IMAGE] for number in range(7)}), "/x", IMAGE)
    assert said.endswith("/oak/camera4, ...")
