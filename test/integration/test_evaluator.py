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
from sensor_msgs.msg import Image
from std_msgs.msg import Float32

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.report.frames_csv import read_frames

FRAMES = 5


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


def test_another_class_table_is_an_error(graph, model, tmp_path):
    graph.start_node(model, engine="torch")
    words = ("-r", "label_info:=/icnet/label_info", "-p", f"out:={tmp_path / 'out'}")  # of the shipped checkpoint
    graph.start("--ros-args", *words, module="icnet_ros.node.evaluator")
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: status(diagnostics).level == DiagnosticStatus.ERROR)
    assert "set the parameter `model`" in status(diagnostics).message
