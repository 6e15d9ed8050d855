"""Message types by name, and what the ROS graph shows about nodes and topics."""

from difflib import get_close_matches
from importlib import import_module

from rclpy.node import Node

from icnet_ros.engine.base import EngineError
from icnet_ros.wire.decoders.table import base_of, image_types, topic_of, transports

COMPANION = "/_buf_"  # what follows the name of a topic in the names of its companions


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
    return any(name.startswith(f"{topic}{COMPANION}") for name, _ in node.get_topic_names_and_types())


def duplicate_names(node: Node) -> int:
    """How many other nodes on the graph have this node's name and namespace."""
    me = node.get_name(), node.get_namespace()
    others: int = node.get_node_names_and_namespaces().count(me) - 1
    return max(others, 0)


def why_no_images(node: Node, topic: str, kind: str) -> str:
    """Why no images of type `kind` come on `topic`, as far as the graph shows; "" if somebody publishes them."""
    published = {info.topic_type for info in node.get_publishers_info_by_topic(topic)}
    if kind in published:
        return ""
    if published:
        return f"{topic} is published as {', '.join(sorted(published))}, not as {kind}"
    base = base_of(topic)
    for transport in transports():
        if (other := topic_of(base, transport)) != topic and node.count_publishers(other):
            return f"nobody publishes {topic}, but {other} is published: set input_transport to {transport}"
    own, types = f"{node.get_fully_qualified_name()}/", set(image_types())
    images = [
        name
        for name, kinds in node.get_topic_names_and_types()
        if not types.isdisjoint(kinds)
        and node.count_publishers(name)
        and not name.startswith(own)
        and COMPANION not in name
    ]
    near = get_close_matches(topic, images, 1, cutoff=0.5) or images[:1]
    return f"nobody publishes {topic}" + (f"; {near[0]} is an image topic" if near else "")
