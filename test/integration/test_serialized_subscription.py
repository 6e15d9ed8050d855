"""Messages taken into reused memory: right bytes, none overwritten while it is used, nothing kept after the end."""

import gc

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from sensor_msgs.msg import Image

from icnet_ros.node.inputs import serialized_subscription
from icnet_ros.node.inputs.serialized_subscription import SerializedSubscription
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_image, make_header

SIZES = [(4, 6), (480, 640), (2, 3), (300, 200)]


def image(number, size):
    return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)


def exchange(graph, sent, look=lambda message: message):
    """Subscribe, publish the images one after the other; the subscription, and what `look` makes of the messages."""
    received = []
    subscription = SerializedSubscription(
        graph.node, Image, "/image", lambda message: received.append(look(message)), qos_profile=10
    )
    publisher = graph.node.create_publisher(Image, "/image", 10)
    graph.spin_until(lambda: publisher.get_subscription_count() > 0)
    graph.spin_for(0.5)
    for number, pixels in enumerate(sent):
        publisher.publish(encode_image(make_header(number * 10**9, "camera"), pixels, "bgr8"))
        graph.spin_until(lambda expected=number + 1: len(received) == expected)
    return subscription, publisher, received


def test_messages_stay_right_while_they_are_used(graph):
    sent = [image(number, SIZES[number % 4]) for number in range(8)]
    subscription, _, received = exchange(graph, sent)
    pictures = [decode_image(message) for message in received]
    received.clear()
    assert subscription.topic_name == "/image"
    subscription.destroy()
    for number, (picture, pixels) in enumerate(zip(pictures, sent, strict=True)):
        assert picture.header.stamp.sec == number
        np.testing.assert_array_equal(picture.pixels, pixels)


def test_memory_is_used_again_after_the_last_reference(graph):
    sent = [image(number, (480, 640)) for number in range(5)]
    subscription, _, addresses = exchange(graph, sent, lambda message: np.frombuffer(message, np.uint8).ctypes.data)
    assert len(set(addresses)) == 1
    subscription.destroy()


def test_memory_is_freed(graph, monkeypatch):
    freed = []
    fini = serialized_subscription.rcutils.rcutils_uint8_array_fini

    class Rcutils:
        rcutils_get_default_allocator = serialized_subscription.rcutils.rcutils_get_default_allocator

        def rcutils_uint8_array_fini(self, message):
            freed.append(message)
            return fini(message)

    monkeypatch.setattr(serialized_subscription, "rcutils", Rcutils())
    subscription, _, received = exchange(graph, [image(number, (48, 64)) for number in range(6)])
    gc.collect()
    assert not freed
    del received[:4]  # three are kept for the next messages
    assert len(freed) == 1
    subscription.destroy()
    assert len(freed) == 4
    received.clear()
    assert len(freed) == 6


def test_nothing_arrives_after_the_end(graph):
    subscription, publisher, received = exchange(graph, [image(0, (48, 64))])
    subscription.destroy()
    publisher.publish(encode_image(make_header(1, "camera"), image(1, (48, 64)), "bgr8"))
    graph.spin_for(0.3)
    assert len(received) == 1
    assert not list(graph.node.subscriptions)


def test_without_rcl_the_messages_come_from_rclpy(graph, monkeypatch):
    monkeypatch.setattr(serialized_subscription, "AVAILABLE", False)
    sent = [image(number, size) for number, size in enumerate(SIZES)]
    subscription, _, received = exchange(graph, sent)
    assert all(isinstance(message, bytes) for message in received)
    for message, pixels in zip(received, sent, strict=True):
        np.testing.assert_array_equal(decode_image(message).pixels, pixels)
    subscription.destroy()
    assert not list(graph.node.subscriptions)


def test_an_error_of_rcl_costs_a_message_and_does_not_block_the_node(graph, monkeypatch, capfd):
    class Rcl:
        def rcl_take_serialized_message(self, *_):
            monkeypatch.undo()
            return 1

    subscription, publisher, received = exchange(graph, [])
    ticks = []
    graph.node.create_timer(0.05, lambda: ticks.append(1))
    monkeypatch.setattr(serialized_subscription, "rcl", Rcl())
    message = encode_image(make_header(1, "camera"), image(1, (4, 6)), "bgr8")
    publisher.publish(message)
    graph.spin_until(lambda: "rcl_ret_t 1" in capfd.readouterr().err, again=lambda: publisher.publish(message))
    ticks.clear()
    graph.spin_until(lambda: received and len(ticks) > 2, again=lambda: publisher.publish(message))
    subscription.destroy()


def test_an_empty_message_is_no_message_of_its_kind(graph):
    subscription, publisher, received = exchange(graph, [])
    publisher.publish(b"")
    publisher.publish(encode_image(make_header(1, "camera"), image(1, (4, 6)), "bgr8"))
    graph.spin_until(lambda: received and decode_works(received[-1]))
    subscription.destroy()


def decode_works(message):
    try:
        return decode_image(message).pixels.shape == (4, 6, 3)
    except WireError:
        return False


def test_a_take_after_the_end_finds_nothing(graph):
    """As when another thread of the executor unsubscribes between the message's arrival and its taking."""
    subscription, _, _ = exchange(graph, [])
    subscription.destroy()
    assert subscription.take_data() is None


def test_another_kind_of_executor_is_served_by_rclpy(graph):
    events = pytest.importorskip("rclpy.experimental", reason="this release of rclpy has no EventsExecutor")
    import rclpy

    node = rclpy.create_node("embedded", context=graph.context)
    executor = events.EventsExecutor(context=graph.context)
    executor.add_node(node)
    received = []
    subscription = SerializedSubscription(node, Image, "/image", received.append, qos_profile=10)
    publisher = graph.node.create_publisher(Image, "/image", 10)
    message = encode_image(make_header(1, "camera"), image(1, (4, 6)), "bgr8")

    def arrived():
        executor.spin_once(timeout_sec=0.1)
        return received

    graph.spin_until(arrived, again=lambda: publisher.publish(message))
    assert received[0] == message
    subscription.destroy()
    executor.remove_node(node)
    node.destroy_node()
