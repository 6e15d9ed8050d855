"""Subscription to serialised messages, also where the middleware delivers none.

rmw_fastrtps 9.4 of ROS 2 Lyrical takes uint8[] through companion topics, and a serialised subscription gets nothing
from a typed publisher there, as every camera driver is (rmw_fastrtps #881, in 9.5.0).
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.inputs.serialized_subscription import SerializedSubscription
from icnet_ros.node.ros.graph import has_companion

SILENCE_S = 2.0  # so long nothing may come from a matched publisher


class BytesSubscription:
    """Calls back with the bytes of each message; they are valid as long as they are referred to.

    `check` must be called every now and then. options: further arguments of `Node.create_subscription`.
    """

    def __init__(
        self, node: Node, kind: type, topic: str, callback: Callable[[bytes | memoryview], None], **options: Any
    ) -> None:
        self._node, self._kind, self._topic, self._callback, self._options = node, kind, topic, callback, options
        self._silent_since: float | None = None  # monotonic s; None: something has come
        self._typed: Subscription | None = None
        self._serialized: SerializedSubscription | None = SerializedSubscription(
            node, kind, topic, self._received, **options
        )
        self.topic_name = self._serialized.topic_name
        self._silent_since = perf_counter()

    def _received(self, data: bytes | memoryview) -> None:
        self._silent_since = None
        self._callback(data)

    def check(self) -> None:
        """Take typed messages instead, if the middleware has companion topics and a matched publisher is silent."""
        if self._serialized is None or self._silent_since is None:
            return
        if not self._node.count_publishers(self.topic_name):
            self._silent_since = perf_counter()
            return
        if perf_counter() - self._silent_since < SILENCE_S or not has_companion(self._node, self.topic_name):
            return
        self._serialized.destroy()
        self._serialized = None
        self._node.get_logger().warning(
            f"no serialised messages come on {self.topic_name}, as with rmw_fastrtps 9.4 (ROS 2 Lyrical): typed ones "
            "are taken, which costs more time. rmw_fastrtps 9.5 or rmw_cyclonedds_cpp do better"
        )
        self._typed = self._node.create_subscription(
            self._kind, self._topic, lambda message: self._callback(message_bytes(message)), **self._options
        )

    def destroy(self) -> None:
        """Unsubscribe."""
        if self._serialized is not None:
            self._serialized.destroy()
        if self._typed is not None:
            self._node.destroy_subscription(self._typed)
        self._serialized = self._typed = None
