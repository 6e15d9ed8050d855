"""Subscription to serialised messages, also where the middleware delivers none.

rmw_fastrtps 9.4 of ROS 2 Lyrical takes uint8[] through companion topics, and a serialised subscription gets nothing
from a typed publisher there, as every camera driver is (rmw_fastrtps #881, in 9.5.0).
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier

from icnet_ros.dds import loses_serialised, middleware_version
from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.inputs.serialized_subscription import SerializedSubscription
from icnet_ros.node.ros.graph import has_companion

SILENCE_S = 2.0  # so long nothing may come from a matched publisher


class BytesSubscription:
    """Calls back with the bytes of each message; they are valid as long as they are referred to.

    Typed messages are taken with the middlewares that lose serialised ones. `check` must be called every now and then:
    with a version that is not known, silence shows it. typed: what the callback gets of such a message. options:
    further arguments of `Node.create_subscription`.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        typed: Callable[[Any], object] = message_bytes,
        **options: Any,
    ) -> None:
        self._node, self._kind, self._topic, self._callback, self._options = node, kind, topic, callback, options
        self._given = typed
        self._silent_since: float | None = None  # monotonic s, with a matched publisher
        self._typed: Subscription | None = None
        self._serialized: SerializedSubscription | None = None
        middleware = get_rmw_implementation_identifier()
        loses = loses_serialised(middleware, middleware_version(middleware))
        self._watching = loses is None
        if loses:
            self.topic_name = self._take_typed()
        else:
            self._serialized = SerializedSubscription(node, kind, topic, self._received, **options)
            self.topic_name = self._serialized.topic_name

    def _received(self, data: bytes | memoryview) -> None:
        self._watching = False
        self._callback(data)

    def check(self) -> None:
        """Take typed messages instead, if the middleware has companion topics and a matched publisher is silent."""
        if self._serialized is None or not self._watching:
            return
        if not self._node.count_publishers(self.topic_name) or not has_companion(self._node, self.topic_name):
            self._silent_since = None
            return
        self._silent_since = self._silent_since or perf_counter()
        if perf_counter() - self._silent_since > SILENCE_S:
            self._serialized.destroy()
            self._serialized = None
            self._take_typed()

    def _take_typed(self) -> str:
        """Returns the topic after remapping."""
        self._typed = self._node.create_subscription(
            self._kind, self._topic, lambda message: self._callback(self._given(message)), **self._options
        )
        topic = str(self._typed.topic_name)
        self._node.get_logger().warning(
            f"rmw_fastrtps 9.4 (ROS 2 Lyrical) delivers no serialised messages on {topic}: typed ones are taken, which "
            "costs more time. rmw_fastrtps 9.5 or rmw_cyclonedds_cpp do better"
        )
        return topic

    def destroy(self) -> None:
        """Unsubscribe."""
        if self._serialized is not None:
            self._serialized.destroy()
        if self._typed is not None:
            self._node.destroy_subscription(self._typed)
        self._serialized = self._typed = None
