"""Message types by name, and what the ROS graph shows about nodes and topics."""

from difflib import get_close_matches
from importlib import import_module

from rclpy.node import Node

from icnet_ros.engine.base import EngineError
from icnet_ros.wire.decoders.table import base_of, has_decoder, image_types, topic_of, transport_of, transports

LATENCY = "icnet_ros/msg/FrameLatency"  # of ~/latency, which every segmentation node publishes
NAMED = 5  # topics in a message
# What follows the name of a topic in those of its companions: _buf_cpu, and _buf/ID for a subscription that accepts
# other memory. To ask rcl for the latter is an error: an ID begins with a digit.
COMPANIONS = ("/_buf_", "/_buf/")


def message_class(kind: str) -> type:
    """The class of a message type such as "sensor_msgs/msg/Image". Raises EngineError if its package is missing."""
    package, _, name = kind.split("/")
    try:
        found: type = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as err:
        apt = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise EngineError(f"messages of type {kind} need the ROS package {package}: apt install {apt}") from err
    return found


def has_companion(node: Node, topic: str) -> bool:
    """Whether the middleware has companion topics of a topic, for buffers in other memory (rmw_fastrtps of Lyrical)."""
    return any(
        name.startswith(tuple(topic + one for one in COMPANIONS)) for name, _ in node.get_topic_names_and_types()
    )


def duplicate_names(node: Node) -> int:
    """How many other nodes on the graph have this node's name and namespace."""
    me = node.get_name(), node.get_namespace()
    others: int = node.get_node_names_and_namespaces().count(me) - 1
    return max(others, 0)


def why_no_images(node: Node, topic: str, kind: str) -> str:
    """Why no images of type `kind` come on `topic`, as far as the graph shows; "" if somebody publishes them."""
    published = _published_types(node, topic)
    if kind in published:
        return ""
    if published:
        advice = next((f": {how_to_receive(topic, one)}" for one in sorted(published) if has_decoder(one)), "")
        return f"{topic} is published as {', '.join(sorted(published))}, not as {kind}{advice}"
    base = base_of(topic)
    for other in dict.fromkeys([base, *(topic_of(base, transport) for transport in transports())]):
        for found in sorted(_published_types(node, other)) if other != topic else ():
            if has_decoder(found):
                return f"nobody publishes {topic}, but {other} is published: {how_to_receive(other, found)}"
    images = _camera_topics(node)
    near = get_close_matches(topic, images, 1, cutoff=0.5)
    if near:
        return f"nobody publishes {topic}; {near[0]} is an image topic: {how_to_receive(near[0], images[near[0]])}"
    if len(images) == 1:
        [(name, found)] = images.items()
        return f"nobody publishes {topic}; if {name}, the only image topic, is meant: {how_to_receive(name, found)}"
    named = ", ".join(sorted(images)[:NAMED]) + (", ..." if len(images) > NAMED else "")
    return f"nobody publishes {topic}" + (f"; there are the image topics {named}" if named else "")


def _camera_topics(node: Node) -> dict[str, str]:
    """Image topics and their types, without the outputs of segmentation nodes: they take images.

    Those lie beside the topic of their latency, also in a recording that is played, or were renamed and are published
    by the node after which that topic is named.
    """
    topics, types = node.get_topic_names_and_types(), set(image_types())
    names = {name.rpartition("/")[0] for name, kinds in topics if LATENCY in kinds} - {""}
    return {
        name: next(one for one in kinds if one in types)
        for name, kinds in topics
        if not types.isdisjoint(kinds)
        and not any(one in name for one in COMPANIONS)
        and not name.startswith(tuple(f"{one}/" for one in names))
        and _publishers(node, name) - names
    }


def how_to_receive(topic: str, kind: str) -> str:
    """The settings with which a node receives the images of this topic."""
    transport, base = transport_of(topic, kind), base_of(topic, kind)
    if transport == "raw":
        return f"set input_transport to raw and remap image to {topic}"
    if topic_of(base, transport) == topic:  # as image_transport names it
        return f"set input_transport to {transport} and remap image to {base}, without /{transport}"
    return f"set input_transport to {transport} and remap image/{transport}, not image, to {topic}"


def _publishers(node: Node, topic: str) -> set[str]:
    """Full names of the nodes that publish a topic."""
    found = node.get_publishers_info_by_topic(topic)
    return {f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found}


def _published_types(node: Node, topic: str) -> set[str]:
    return {info.topic_type for info in node.get_publishers_info_by_topic(topic)}
