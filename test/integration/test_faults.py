"""Bad input: the node lives on, counts the frame as failed, says why, and labels the next good one."""

import re
import struct
import time
import zlib
from functools import partial

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from messages import image, jpeg, pixels
from rosgraph_msgs.msg import Clock
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


def png_bomb(side=60_000):
    """A whole PNG of a few hundred bytes that declares far more pixels than anyone wants to unpack."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


COMPRESSED_FAULTS = {
    "PNG bomb": (jpeg(2, png_bomb()), "is refused: .* exceeds limit"),
    "corrupt JPEG": (jpeg(2, JPEG[:2] + bytes(len(JPEG) - 4) + JPEG[-2:]), "cannot be decoded|not a JPEG"),
    "truncated JPEG": (jpeg(2, JPEG[: len(JPEG) // 2]), "truncated"),
    "no JPEG at all": (jpeg(2, b"hello"), "not a JPEG, PNG, TIFF"),
    "empty": (jpeg(2, b""), "not a JPEG, PNG, TIFF"),
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
            lambda words=words: any(
                re.search(words, s.message) and s.level == b"\2" for a in arrays[-1:] for s in a.status
            )
        )
        assert process.popen.poll() is None, name
        camera.publish(good(10 + failed))
        graph.spin_until(lambda failed=failed: latencies and latencies[-1].header.stamp.sec == 1_010 + failed)
        assert latencies[-1].failed == failed, name
        assert latencies[-1].received == latencies[-1].processed + failed
    graph.spin_until(lambda: len(labels) == len(faults))
    assert "Traceback" not in process.text
    assert "unusable image" in process.text


def start_reliable(graph, model, topic, kind, **parameters):
    """The node and a camera between which no image is lost: each is published once."""
    process = graph.start_node(model, **{f"qos_overrides.{topic}.subscription.reliability": "reliable"}, **parameters)
    return graph.camera(topic, kind, "reliable"), process


def test_raw_images(graph, model):
    camera, process = start_reliable(graph, model, "/image", Image)
    check(graph, camera, process, RAW_FAULTS, image)


def test_compressed_images(graph, model):
    topic = "/image/compressed"
    camera, process = start_reliable(graph, model, topic, CompressedImage, input_transport="compressed")
    check(graph, camera, process, COMPRESSED_FAULTS, jpeg)


def test_size_encoding_and_byte_order_may_change_in_the_stream(graph, model):
    graph.start_node(model)
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()

    def other(number, encoding, array, **fields):
        message = image(number, height=array.shape[0], width=array.shape[1], encoding=encoding, step=array.strides[0])
        message.data = message.data[:0]
        message.data.frombytes(array.tobytes())
        message.is_bigendian = fields.get("is_bigendian", 0)
        return message

    grey = cv2.cvtColor(pixels(40, 50), cv2.COLOR_BGR2GRAY)
    deep = grey.astype(np.uint16) * 257
    stream = [
        image(1),
        image(2, bgr=pixels(100, 70)),
        other(3, "mono8", grey),
        other(4, "mono16", deep),
        other(5, "mono16", deep.astype(">u2"), is_bigendian=1),
        image(6),
    ]
    for number, message in enumerate(stream, 1):
        camera.publish(message)
        graph.spin_until(lambda number=number: len(labels) == number)
        assert (labels[-1].height, labels[-1].width) == (message.height, message.width)
    assert labels[3].data == labels[4].data
    assert labels[0].data == labels[5].data


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


def test_input_at_200_hz(graph, model):
    """What cannot be segmented is dropped and counted; what is published is not old."""
    graph.start_node(model)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 1000)
    camera = graph.camera()
    picture, started = pixels(120, 160), time.monotonic()
    for number in range(600):
        camera.publish(image(number, picture))
        while time.monotonic() < started + number / 200:
            graph.executor.spin_once(timeout_sec=0.001)
    graph.spin_until(lambda: latencies and latencies[-1].header.stamp.sec == 1_599)
    last = latencies[-1]
    assert last.received == last.processed + last.dropped
    assert last.processed == len(latencies)
    assert last.received > 100  # best effort: a busy machine loses some before the node gets them
    assert np.percentile([entry.wait_ms for entry in latencies], 95) < 2 * max(
        np.percentile([entry.total_ms - entry.wait_ms for entry in latencies], 95), 10
    )


def stamped(number, seconds):
    message = image(number)
    message.header.stamp.sec, message.header.stamp.nanosec = int(seconds), int(seconds % 1 * 1e9)
    return message


def test_stamps_that_tell_nothing_and_a_clock_that_jumps_back(graph, model):
    """Simulated time of a bag that is played in a loop; then stamps of 0 and from the future."""
    process = graph.start_node(model, use_sim_time=True, statistics_window_s=3.0)
    clock = graph.node.create_publisher(Clock, "/clock", 10)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 100)
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    camera = graph.camera()

    def play(now, stamp):
        clock.publish(Clock(clock=Time(sec=now)))
        graph.spin_for(0.1)
        camera.publish(stamped(1, stamp))

    def said(level, words):
        return any(words in s.message and s.level == level for a in arrays[-1:] for s in a.status)

    def said_values():
        return {pair.key: pair.value for pair in arrays[-1].status[0].values}

    def age():
        graph.spin_for(0.2)
        return latencies[-1].age_ms if latencies else float("nan")

    for now in (100, 101, 102):
        graph.spin_until(lambda now=now: play(now, now - 1) or age() == 1000.0)
    graph.spin_until(lambda: play(10, 9) or age() == 1000.0)
    assert "clock jumped back" in process.text
    # Not the status of the moment after the jump, when nothing had been measured yet.
    graph.spin_until(lambda: play(11, 10) or (said(b"\0", "frames/s") and "age_ms_p99" in said_values()))
    values = said_values()
    assert (float(values["age_ms_p99"]), float(values["current_delay_from_realtime_ms"])) == (1000.0, 1000.0)
    graph.spin_until(lambda: play(12, 0) or said(b"\1", "carry no stamp"))
    assert np.isnan(age())
    graph.spin_until(lambda: play(13, 500) or said(b"\1", "s in the future"))
    assert np.isnan(age())
    graph.spin_until(lambda: play(14, 13) or said(b"\0", "frames/s"))
    assert age() == 1000.0
    graph.spin_until(lambda: play(14, 14.5) or np.isnan(age()))  # the camera's clock ticks more often than /clock
    assert np.isnan(latencies[-1].transport_ms)
    assert "Traceback" not in process.text


def test_a_camera_that_stops_and_resumes(graph, model):
    graph.start_node(model, input_timeout_s=0.5)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 100)
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    for _ in range(2):
        camera = graph.camera()
        graph.spin_until(lambda: any(s.level == b"\3" for a in arrays[-1:] for s in a.status))
        latencies.clear()
        graph.spin_until(lambda: latencies, again=partial(camera.publish, image()))
        graph.node.destroy_publisher(camera)


def test_damaged_jpegs_fail_or_are_counted(graph, model):
    """libjpeg decodes a frame that was cut on its way, with grey for what is missing."""
    cut = JPEG[: len(JPEG) // 2] + b"\xff\xd9"
    graph.start_node(model, input_transport="compressed", statistics_window_s=20.0)
    camera = graph.camera("/image/compressed", CompressedImage)
    latencies, _ = graph.listen(FrameLatency, "/icnet/latency")
    arrays, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: graph.node.count_publishers("/icnet/labels"))
    graph.spin_for(0.3)

    def status(level, words):
        """How many were damaged, if the newest status is of this level and has these words."""
        statuses = [s for a in arrays[-1:] for s in a.status if s.name == "icnet: segmentation"]
        values = {pair.key: pair.value for s in statuses for pair in s.values}
        return int(values["damaged"]) if statuses and statuses[0].level == level and words in statuses[0].message else 0

    graph.spin_until(lambda: status(b"\2", "unusable image: JPEG of"), again=lambda: camera.publish(jpeg(2, cut)))
    assert not latencies
    assert graph.set("damaged_images", "count").successful
    graph.spin_until(lambda: latencies, again=lambda: camera.publish(jpeg(3, cut)))
    assert latencies[-1].header.stamp.sec == 1_003
    assert latencies[-1].failed >= 1
    graph.spin_until(lambda: status(b"\1", "") > latencies[-1].failed)
