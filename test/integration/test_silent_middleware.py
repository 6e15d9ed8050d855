"""A middleware that delivers nothing to serialised subscriptions, as rmw_fastrtps 9.4 of ROS 2 Lyrical."""

import os
import shutil
import subprocess
from time import monotonic

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from messages import image
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image

from icnet_ros.dds import loses_serialised, middleware_version
from icnet_ros.node.inputs import bytes_subscription
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.node.inputs.serialized_subscription import SerializedSubscription
from icnet_ros.node.ros.graph import why_no_images
from icnet_ros.wire.cdr import IMAGE
from icnet_ros.wire.decoders.image import decode_image

MIDDLEWARE = get_rmw_implementation_identifier()
delivers = pytest.mark.skipif(
    bool(loses_serialised(MIDDLEWARE, middleware_version(MIDDLEWARE))),
    reason="this middleware loses serialised messages",
)
# Put before the middleware in a process: serialised messages are taken from it, and lost.
LOSSY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>

static void *middleware(const char *name) {
  void *library = dlopen("librmw_implementation.so", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) library = dlopen("librmw_fastrtps_cpp.so", RTLD_LAZY | RTLD_NOLOAD);  /* rcl of PyPI is linked to it */
  return dlsym(library, name);
}

int rmw_take_serialized_message(void *subscription, void *message, bool *taken, void *allocation) {
  int (*take)(void *, void *, bool *, void *) = middleware("rmw_take_serialized_message");
  int status = take(subscription, message, taken, allocation);
  *taken = false;
  return status;
}

int rmw_take_serialized_message_with_info(
    void *subscription, void *message, bool *taken, void *info, void *allocation) {
  int (*take)(void *, void *, bool *, void *, void *) = middleware("rmw_take_serialized_message_with_info");
  int status = take(subscription, message, taken, info, allocation);
  *taken = false;
  return status;
}
"""


def test_the_node_labels_images_of_a_camera_that_the_middleware_delivers_only_typed(graph, model):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc)")
    library = graph.tmp_path / "lossy.so"
    command = ["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-", "-ldl"]
    subprocess.run(command, input=LOSSY, text=True, check=True)
    graph.environment["LD_PRELOAD"] = str(library)
    package = graph.tmp_path / "share" / "rmw_fastrtps_cpp"  # found before the real one
    package.mkdir(parents=True)
    (package / "package.xml").write_text("<package><version>9.4.7</version></package>")
    prefixes = graph.environment.get("AMENT_PREFIX_PATH", os.environ["AMENT_PREFIX_PATH"])
    graph.environment["AMENT_PREFIX_PATH"] = f"{graph.tmp_path}:{prefixes}"
    process = graph.start_node(model, fresh=True, engine="torch")
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))
    assert "typed ones are taken" in process.text


@pytest.fixture
def exchange(graph, monkeypatch):
    """Publish typed images while a subscription is checked; returns the bytes that came and its warnings."""
    monkeypatch.setattr(bytes_subscription, "SILENCE_S", 0.3)
    monkeypatch.setattr(bytes_subscription, "get_rmw_implementation_identifier", lambda: "rmw_fastrtps_cpp")
    monkeypatch.setattr(bytes_subscription, "middleware_version", lambda _: graph.version)
    graph.version = ""  # unknown

    def run(*, silent, companion, until):
        if silent:
            received = SerializedSubscription.execute

            async def lost(self, _):
                await received(self, None)

            monkeypatch.setattr(SerializedSubscription, "execute", lost)
        if companion:
            graph.node.create_publisher(Image, "/image/_buf_cpu", 10)
        came = []
        subscription = BytesSubscription(graph.node, Image, "/image", came.append, qos_profile=10)
        publisher = graph.node.create_publisher(Image, "/image", 10)

        def step():
            publisher.publish(image())
            subscription.check()
            return until(came, subscription)

        graph.spin_until(step)
        subscription.destroy()
        return came, subscription

    return run


class Later:
    """Called: whether the time after which a silent subscription is replaced has passed several times."""

    def __init__(self):
        self.since = monotonic()

    def __call__(self):
        return monotonic() - self.since > 4 * bytes_subscription.SILENCE_S


def typed(subscription):
    return subscription._typed is not None


def test_typed_messages_are_taken_where_no_serialised_ones_come(exchange):
    came, _ = exchange(silent=True, companion=True, until=lambda came, _: len(came) > 2)
    assert decode_image(came[0]).pixels.tobytes() == bytes(image().data)


@delivers
def test_a_middleware_that_delivers_is_left_alone(exchange):
    kinds, long_after = [], Later()

    def until(came, subscription):
        kinds.append(typed(subscription))
        return came and long_after()

    exchange(silent=False, companion=True, until=until)
    assert not any(kinds)


@delivers
def test_silence_alone_is_no_reason(exchange):
    """Without companion topics the camera has simply not begun."""
    steps, long_after = [], Later()

    def until(_, subscription):
        steps.append(typed(subscription))
        return long_after()

    came, _ = exchange(silent=True, companion=False, until=until)
    assert not any(steps)
    assert came == []


@pytest.mark.parametrize(
    ("version", "at_once"), [("9.4.7", True), ("9.4.10", True), ("9.5.0", False), ("8.4.4", False)]
)
def test_a_known_version_decides_at_once(graph, exchange, version, at_once):
    """No image of the first seconds is lost, and an idle camera is no reason."""
    graph.version = version
    kinds, long_after = [], Later()

    def until(_, subscription):
        kinds.append(typed(subscription))
        return long_after()

    came, _ = exchange(silent=True, companion=True, until=until)
    assert set(kinds) == {at_once}
    assert bool(came) is at_once


def test_companion_topics_are_no_advice(graph):
    graph.node.create_publisher(Image, "/camera/image_raw/_buf_cpu", 10)
    graph.spin_for(0.5)
    assert why_no_images(graph.node, "/camera/image", IMAGE) == "nobody publishes /camera/image"
