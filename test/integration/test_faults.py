"""Bad input: the node lives on, counts the frame as failed, says why, and labels the next good one."""

import cv2
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import image, jpeg, pixels
from sensor_msgs.msg import CompressedImage, Image

JPEG = cv2.imencode(".jpg", pixels())[1].tobytes()
RAW_FAULTS = {
    "wrong step": (image(2, step=10), "step 10 is less than a row"),
    "data shorter than step * height": (image(2, height=60), "are needed"),
    "zero size": (image(2, height=0, width=0), "no pixels"),
    "unknown encoding": (image(2, encoding="hologram9"), "'hologram9' is not one of"),
    "too small for the network": (image(2, bgr=pixels(16, 16)), "at least 32x32"),
    "more pixels than allowed": (image(2, height=60_000, width=60_000), "max_pixels"),
}
COMPRESSED_FAULTS = {
    "truncated JPEG": (jpeg(2, JPEG[: len(JPEG) // 2]), "truncated"),
    "no JPEG at all": (jpeg(2, b"hello"), "not a JPEG or PNG"),
    "empty": (jpeg(2, b""), "not a JPEG or PNG"),
}


def check(graph, camera, process, faults, good):
    labels, _ = graph.listen(Image, "/icnet/labels")
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: graph.node.count_publishers("/icnet/labels"))
    graph.spin_for(0.3)
    for failed, (name, (bad, words)) in enumerate(faults.items(), 1):
        arrays.clear()  # the last fault may have been said in the same words
        camera.publish(bad)
        graph.spin_until(
            lambda words=words: any(words in s.message and s.level == b"\2" for a in arrays[-1:] for s in a.status)
        )
        assert process.popen.poll() is None, name
        camera.publish(good(10 + failed))
        graph.spin_until(lambda failed=failed: latencies and latencies[-1].header.stamp.sec == 1_010 + failed)
        assert latencies[-1].failed == failed, name
        assert latencies[-1].received == latencies[-1].processed + failed
    graph.spin_until(lambda: len(labels) == len(faults))
    assert "Traceback" not in process.text
    assert "unusable image" in process.text


def test_raw_images(graph, model):
    process = graph.start_node(model)
    check(graph, graph.camera(), process, RAW_FAULTS, image)


def test_compressed_images(graph, model):
    process = graph.start_node(model, input_transport="compressed")
    check(graph, graph.camera("/image/compressed", CompressedImage), process, COMPRESSED_FAULTS, jpeg)


def test_size_and_encoding_may_change_in_the_stream(graph, model):
    graph.start_node(model)
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    grey = cv2.cvtColor(pixels(40, 50), cv2.COLOR_BGR2GRAY)
    stream = [image(1), image(2, bgr=pixels(100, 70)), image(3, bgr=pixels(40, 50)), image(4)]
    stream[2] = image(3, bgr=pixels(40, 50), encoding="mono8", step=50)
    stream[2].data = stream[2].data[:0]
    stream[2].data.frombytes(grey.tobytes())
    for number, message in enumerate(stream, 1):
        camera.publish(message)
        graph.spin_until(lambda number=number: len(labels) == number)
        assert (labels[-1].height, labels[-1].width) == (message.height, message.width)


def test_overload_drops_the_oldest_and_counts_it(graph, model):
    graph.start_node(model)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 100)
    camera = graph.camera()
    big = pixels(480, 640)
    for number in range(60):
        camera.publish(image(number, bgr=big))
        graph.spin_for(0.01)
    graph.spin_until(lambda: latencies and latencies[-1].header.stamp.sec == 1_059)
    last = latencies[-1]
    assert last.received == last.processed + last.dropped
    assert last.processed == len(latencies)
    stamps = [entry.header.stamp.sec for entry in latencies]
    assert stamps == sorted(stamps)
