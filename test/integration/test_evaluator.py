"""The evaluation node beside the segmentation node, with a camera that knows the truth."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from messages import image, pixels
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32
from vision_msgs.msg import LabelInfo, VisionClass

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.report.frames_csv import read_frames

FRAMES = 5
HALVES = np.repeat(np.uint8([[0], [1]]), 8, axis=0).repeat(8, axis=1)


def mono8(number, labels):
    message = Image(height=labels.shape[0], width=labels.shape[1], encoding="mono8", step=labels.shape[1])
    message.header.stamp.sec, message.header.stamp.nanosec = 1_000 + number, 987_654_321
    message.data.frombytes(labels.tobytes())
    return message


@pytest.fixture
def evaluator(graph, model, tmp_path):
    words = ["-r", "labels:=/icnet/labels", "-r", "latency:=/icnet/latency", "-r", "label_info:=/icnet/label_info"]
    words += ["-p", f"out:={tmp_path / 'out'}", "-p", f"model:={model}", "-r", "ground_truth:=/truth"]
    return graph.start("--ros-args", *words, module="icnet_ros.node.evaluator")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["-p", "model:=/none.safetensors"], "/none.safetensors: no such file"),
        (["-p", "label_groups:=nav3"], "no label groups 'nav3'"),
        (["-p", "out:=[]"], "out has no text as its value"),
        (["-p", "bag:=/none"], "bag: /none does not exist"),
        (["-p", "label_gruops:=x"], "there is no parameter 'label_gruops'; did you mean 'label_groups'?"),
        (
            ["--params-file", "/none.yaml"],
            "parameter file cannot be used: Failed to parse ROS arguments: Couldn't parse",
        ),
        (["-p", "mapping:=/none.yaml"], "mapping /none.yaml: No such file"),
    ],
)
def test_settings_that_cannot_be_used_end_the_process_with_words(words, problem):
    command = [sys.executable, "-m", "icnet_ros.node.evaluator", "--ros-args", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, problem in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def status(messages):
    found = [one for array in messages for one in array.status if one.name == "icnet_evaluation: score"]
    return found[-1] if found else DiagnosticStatus()


def truth_publisher(graph):
    truth = graph.node.create_publisher(Image, "/truth", 10)
    graph.spin_until(lambda: truth.get_subscription_count() > 0)
    return truth


def test_live_and_offline_agree(graph, model, tmp_path, evaluator):
    """Labels, score and report of a live run are those of the engine alone."""
    graph.start_node(model, engine="torch", warm_up_width=128, warm_up_height=96)
    truth = truth_publisher(graph)
    scores, _ = graph.listen(Float32, "/icnet_evaluation/miou")
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    engine = open_engine("torch", load(model), EngineOptions("cpu"))
    expected = []
    for number in range(1, FRAMES + 1):
        bgr = pixels(96, 128, seed=number)
        expected.append(engine.segment([Frame(bgr)])[0].labels)
        wrong = expected[-1].copy()
        wrong[:24] = (wrong[:24] + 1) % 3
        seen = len(labels)
        truth.publish(mono8(number, wrong))
        graph.spin_until(
            lambda seen=seen: len(labels) > seen,
            again=lambda number=number, bgr=bgr: camera.publish(image(number, bgr)),
        )
    graph.spin_until(lambda: len(scores) >= FRAMES)
    graph.spin_until(lambda: "mIoU" in status(diagnostics).message)  # a second later: latencies have come, too
    code, _ = evaluator.interrupt()
    assert code == 0, evaluator.text
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["pixel_accuracy"] == pytest.approx(0.75)
    assert report["miou"] == pytest.approx(scores[-1].data, abs=1e-6)
    assert (report["engine"], report["trained"], report["ground_truth"]) == ("torch", True, "/truth")
    assert report["checkpoint_sha256"] == load(model).sha256
    assert report["live"]["frames"]["processed"] == report["frames"]["labelled"] >= FRAMES
    assert report["latency_ms"]["inference"]["p50"] > 0
    rows = read_frames(tmp_path / "out" / "frames.csv", ("road", "car", "sky"))
    by_stamp = {row.stamp_ns // 10**9 - 1_001: row for row in rows}
    for number, row in by_stamp.items():
        stored = cv2.imread(str(tmp_path / "out" / "labels" / f"{row.number:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert (stored == expected[number]).all()
    assert f"{report['miou']:.4f}" in (tmp_path / "out" / "report.html").read_text()


def test_ground_truth_that_comes_late_or_not_at_all(graph, model, tmp_path, evaluator):
    graph.start_node(model, engine="torch")
    truth = truth_publisher(graph)
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    scores, _ = graph.listen(Float32, "/icnet_evaluation/miou")
    labels, _ = graph.listen(Image, "/icnet/labels")
    camera = graph.camera()
    for number in (1, 2):
        seen = len(labels)
        graph.spin_until(
            lambda seen=seen: len(labels) > seen, again=lambda number=number: camera.publish(image(number))
        )
    graph.spin_until(lambda: "waiting for ground truth" in status(diagnostics).message)
    truth.publish(mono8(2, np.zeros((48, 64), np.uint8)))
    graph.spin_until(lambda: scores)
    truth.publish(mono8(1, np.zeros((5, 5), np.uint8)))  # of another size
    graph.spin_until(lambda: status(diagnostics).level == DiagnosticStatus.WARN)
    assert evaluator.interrupt()[0] == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["frames"]["scored"] == 1
    assert report["frames"]["labelled"] >= 2
    assert "ground truth is (5, 5)" in next(iter(report["warnings"]))


def played(graph, evaluator, tmp_path, truths, info=None):
    """Report after labels of 0 and 1 were published with these ground truths, messages of any type."""
    labels = graph.node.create_publisher(Image, "/icnet/labels", 10)
    truth = graph.node.create_publisher(type(truths[0]), "/truth", 10)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    names = graph.node.create_publisher(LabelInfo, "/truth/label_info", latched)
    names.publish(LabelInfo(class_map=[VisionClass(class_id=k, class_name=v) for k, v in (info or {}).items()]))
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: truth.get_subscription_count() and labels.get_subscription_count())
    graph.spin_until(names.get_subscription_count)
    for number, message in enumerate(truths, 1):
        labels.publish(mono8(number, HALVES))
        truth.publish(message)
    expected = "calls 0" if info else "mIoU"
    graph.spin_until(lambda: expected in status(diagnostics).message)
    assert evaluator.interrupt()[0] == 0
    return json.loads((tmp_path / "out" / "report.json").read_text())


def test_names_beside_the_ground_truth_are_compared(graph, tmp_path, evaluator):
    """Two classes that are exchanged: no id is missing, and what was scored before counts no more."""
    report = played(graph, evaluator, tmp_path, [mono8(1, HALVES)], {0: "car", 1: "road"})
    assert (report["miou"], report["frames"]["scored"], report["frames"]["labelled"]) == (None, 0, 1)
    (said,) = report["warnings"]
    assert "/truth/label_info calls 0 'car', which is 1 there. Give the class of each id with a file and" in said
    assert "{0: car, 1: road, others: ignore}" in said
    assert "nothing is scored: /truth has other ids" in evaluator.text


@pytest.mark.parametrize("stored", ["", "png", "32SC1"])
def test_ground_truth_of_every_type_that_a_replay_reads(graph, model, tmp_path, stored):
    """With a mapping of its ids."""
    (tmp_path / "ids.yaml").write_text("100: road\n101: car\n")
    words = ["-r", "labels:=/icnet/labels", "-p", f"out:={tmp_path / 'out'}", "-p", f"model:={model}"]
    words += ["-r", "ground_truth:=/truth", "-p", f"mapping:={tmp_path / 'ids.yaml'}"]
    evaluator = graph.start("--ros-args", *words, module="icnet_ros.node.evaluator")
    message = mono8(1, HALVES + 100)
    if stored == "png":
        data = cv2.imencode(".png", HALVES + 100)[1].tobytes()
        message = CompressedImage(header=message.header, format="mono8; png compressed ", data=data)
    elif stored:
        message.encoding, message.step = stored, 4 * message.step
        message.data = (HALVES + 100).astype(np.int32).tobytes()
    report = played(graph, evaluator, tmp_path, [message])
    assert (report["miou"], report["frames"]["scored"]) == (1.0, 1)


def test_another_class_table_is_an_error(graph, model, tmp_path):
    graph.start_node(model, engine="torch")
    words = ("-r", "label_info:=/icnet/label_info", "-p", f"out:={tmp_path / 'out'}")  # of the shipped checkpoint
    graph.start("--ros-args", *words, module="icnet_ros.node.evaluator")
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: status(diagnostics).level == DiagnosticStatus.ERROR)
    assert "set the parameter `model`" in status(diagnostics).message
