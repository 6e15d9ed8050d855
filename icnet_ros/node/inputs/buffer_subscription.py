"""Subscription to images that may come in the memory of a device (rosidl::Buffer of ROS 2 Lyrical)."""

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image

from icnet_ros.node.inputs.buffer_backends import Backend
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.inputs.typed_image import TypedImage
from icnet_ros.node.ros.releases import silence

# Of rosidl_typesupport_fastrtps_cpp 3.9: four lines for each image.
TALKATIVE = ("serialize_buffer_with_endpoint", "deserialize_buffer_with_endpoint")


class BufferSubscription:
    """Calls back with a DeviceImage where the data is in memory of one of `backends`, else with a TypedImage.

    The publisher and the middleware choose for each image: rmw_fastrtps_cpp and rmw_zenoh_cpp know such memory. Others
    deliver only what was published from the CPU's. options: further arguments of `Node.create_subscription`.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        callback: Callable[[bytes | memoryview | DeviceImage | TypedImage], None],
        backends: Mapping[str, Backend],
        **options: Any,
    ) -> None:
        self._node, self._callback, self._backends = node, callback, backends
        self._seen: set[str] = set()  # backends that images came in
        names = ",".join(backends)
        silence(*TALKATIVE)
        self._subscription = node.create_subscription(
            Image, topic, self._received, acceptable_buffer_backends=names, **options
        )
        self.topic_name = str(self._subscription.topic_name)

    def _received(self, message: Image) -> None:
        name = getattr(message.data, "backend_type", "cpu")
        if name not in self._seen:
            self._seen.add(name)
            self._node.get_logger().info(f"images on {self.topic_name} come in memory of backend {name}")
        backend = self._backends.get(name)
        if backend is not None and DeviceImage.readable(message):
            self._callback(DeviceImage(message, backend))
        elif name == "cpu":
            self._callback(TypedImage(message))
        else:
            self._callback(message_bytes(message))

    def check(self) -> None:
        """Typed messages come with every middleware."""

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
