"""Subscription to serialised messages that rcl takes into reused memory.

rclpy takes a raw message into new memory and copies it once more. rcl_take_serialized_message can write it into a
buffer that is used again; what that saves is in docs/benchmarks.md, "ROS overhead per frame". Its signature and the
layout of its arguments are the same from Humble (rcl 5.3) to Rolling (rcl 10.5), checked against their sources.
"""

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

KEPT = 3  # buffers without a message: one is received while one waits and one is processed
TOLERATED = 100  # messages in a row that cannot be taken
TAKE_FAILED = 401  # RCL_RET_SUBSCRIPTION_TAKE_FAILED: there is no message


class WaitSet(Protocol):
    """What is used of a wait set of rclpy."""

    def add_subscription(self, handle: object) -> int:
        """Wait for messages; returns the index of the subscription."""

    def is_ready(self, kind: str, index: int) -> bool:
        """Whether the entity has come."""


class Allocator(ctypes.Structure):
    """rcutils_allocator_t."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("allocate", "free", "reallocate", "zero_allocate", "state")]


class SerializedMessage(ctypes.Structure):
    """rcl_serialized_message_t, which is rcutils_uint8_array_t."""

    _fields_ = [
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", Allocator),
    ]


try:
    # PyDLL keeps the GIL, as rclpy does: to get it back costs latency where other processes keep the cores busy.
    rcl, rcutils = ctypes.PyDLL("librcl.so"), ctypes.PyDLL("librcutils.so")
    rcl.rcl_take_serialized_message.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(SerializedMessage),
        *2 * [ctypes.c_void_p],
    ]
    rcutils.rcutils_get_default_allocator.restype = Allocator
    rcutils.rcutils_uint8_array_fini.argtypes = [ctypes.POINTER(SerializedMessage)]
    AVAILABLE = True
except (OSError, AttributeError):  # another name of the libraries: rclpy's own raw subscription is used
    AVAILABLE = False


class Buffers:
    """Memory for messages. A message's buffer is used again when nothing refers to its bytes any more."""

    def __init__(self) -> None:
        self._free: list[SerializedMessage] = []
        self._kept = KEPT
        self._lock = threading.RLock()  # the garbage collector may release a buffer at any point of any thread

    def take(self, subscription: int) -> memoryview | None:
        """The next message of a subscription (address of its rcl_subscription_t), None if there is none.

        Raises RuntimeError if rcl reports an error.
        """
        with self._lock:
            message = self._free.pop() if self._free else None
        if message is None:
            message = SerializedMessage(allocator=rcutils.rcutils_get_default_allocator())
        status = rcl.rcl_take_serialized_message(subscription, ctypes.byref(message), None, None)
        if status:
            self._release(message)
            rcutils.rcutils_reset_error()
            if status == TAKE_FAILED:
                return None
            raise RuntimeError(f"rcl_take_serialized_message failed with rcl_ret_t {status}")
        if not message.length:  # the buffer may be a null pointer
            self._release(message)
            return memoryview(b"")
        data = (ctypes.c_ubyte * message.length).from_address(message.buffer)
        weakref.finalize(data, self._release, message).atexit = False
        return memoryview(data).cast("B")

    def close(self) -> None:
        """Free the memory: now what has no message, the rest as soon as its message is no longer used."""
        with self._lock:
            self._kept = 0
            free, self._free = self._free, []
        for message in free:
            rcutils.rcutils_uint8_array_fini(ctypes.byref(message))

    def _release(self, message: SerializedMessage) -> None:
        with self._lock:
            if len(self._free) < self._kept:
                self._free.append(message)
                return
        rcutils.rcutils_uint8_array_fini(ctypes.byref(message))


class EventsOnly(CallbackGroup):  # type: ignore[misc]  # rclpy of Jazzy has no types
    """The default group of the node for the events of a subscription, without its messages."""

    def __init__(self, group: CallbackGroup) -> None:
        super().__init__()
        self._group = group

    def add_entity(self, entity: object) -> None:
        """See rclpy's CallbackGroup."""
        super().add_entity(entity)
        self._group.add_entity(entity)

    def can_execute(self, entity: object) -> bool:
        """See rclpy's CallbackGroup."""
        return not isinstance(entity, Subscription) and bool(self._group.can_execute(entity))

    def beginning_execution(self, entity: object) -> bool:
        """See rclpy's CallbackGroup."""
        return bool(self._group.beginning_execution(entity))

    def ending_execution(self, entity: object) -> None:
        """See rclpy's CallbackGroup."""
        self._group.ending_execution(entity)


class SerializedSubscription(Waitable):  # type: ignore[misc]  # rclpy of Jazzy has no types
    """Calls back with the bytes of each message: a memoryview, whose memory is used again after its last reference.

    options: further arguments of `Node.create_subscription`. Without librcl.so, or on an executor that is not one of
    rclpy.executors (EventsExecutor knows no callback groups), rclpy takes the messages, as bytes.
    """

    def __init__(
        self, node: Node, kind: type, topic: str, callback: Callable[[memoryview], None], **options: object
    ) -> None:
        self._node, self._callback, self._buffers = node, callback, Buffers()
        self._index = self._failures = 0
        self._direct = AVAILABLE and (node.executor is None or isinstance(node.executor, Executor))
        group = EventsOnly(node.default_callback_group) if self._direct else None
        self._subscription = node.create_subscription(kind, topic, callback, raw=True, callback_group=group, **options)
        super().__init__(node.default_callback_group)
        if self._direct:
            node.add_waitable(self)

    @property
    def topic_name(self) -> str:
        """The topic after remapping."""
        return str(self._subscription.topic_name)

    def __enter__(self) -> None:
        self._subscription.handle.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._subscription.handle.__exit__(*exception)

    def get_num_entities(self) -> NumberOfEntities:
        """See rclpy's Waitable."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: WaitSet) -> None:
        """See rclpy's Waitable."""
        self._index = wait_set.add_subscription(self._subscription.handle)

    def is_ready(self, wait_set: WaitSet) -> bool:
        """See rclpy's Waitable."""
        return bool(wait_set.is_ready("subscription", self._index))

    def take_data(self) -> memoryview | Exception | None:
        """See rclpy's Waitable. An exception is returned: raised here, it would block the callback group for ever."""
        try:
            with self._subscription.handle:
                return self._buffers.take(self._subscription.handle.pointer)
        except InvalidHandle:  # destroyed by another thread of the executor
            return None
        except Exception as err:
            return err

    async def execute(self, taken_data: memoryview | Exception | None) -> None:
        """See rclpy's Waitable.

        A message that cannot be taken is lost, such as an empty one with Cyclone DDS 11; TOLERATED in a row are raised.
        """
        if isinstance(taken_data, Exception):
            self._failures += 1
            if self._failures > TOLERATED:
                raise taken_data
            text = f"a message on {self.topic_name} is lost: {taken_data}"
            self._node.get_logger().error(text, throttle_duration_sec=5.0)
        elif taken_data is not None:
            self._failures = 0
            self._callback(taken_data)

    def destroy(self) -> None:
        """Unsubscribe."""
        if self._direct:
            self._node.remove_waitable(self)
        self._node.destroy_subscription(self._subscription)
        self._buffers.close()
