"""What a node says of a topic name that is not quite right leads to images, not in a circle."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
from icnet_ros.node.ros.graph import why_no_images
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, FFMPEG_PACKET, IMAGE
from icnet_ros.wire.decoders.table import topic_of, transports


class Graph:
    """A node that sees these topics published: name -> types."""

    def __init__(self, topics):
        self.topics = topics

    def get_publishers_info_by_topic(self, topic):
        return [SimpleNamespace(topic_type=kind) for kind in self.topics.get(topic, ())]

    def count_publishers(self, topic):
        return len(self.topics.get(topic, ()))

    def get_topic_names_and_types(self):
        return list(self.topics.items())

    def get_fully_qualified_name(self):
        return "/icnet"


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
