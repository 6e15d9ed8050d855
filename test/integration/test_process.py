"""How the process starts and ends: settings that cannot be used, arguments, signals, the log."""

import re
import signal
import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from lifecycle_msgs.msg import Transition
from messages import image
from rclpy.qos import DurabilityPolicy, QoSProfile

from icnet_ros.node.parameters import by_name

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_a_parameter_file_with_a_typo_is_refused_with_the_nearest_name(graph, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters:\n    overlay_alfa: 0.3\n")
    process = graph.start("--ros-args", "--params-file", file)
    assert process.popen.wait(30) == 2
    assert "no parameter 'overlay_alfa'; did you mean 'overlay_alpha'?" in process.text
    assert "Traceback" not in process.text


def test_parameters_of_other_nodes_in_the_same_file_are_only_mentioned(graph, model, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    video_device: /dev/video0\n    max_range: 5.0\n    camera: {fps: 30}\n"
    )
    process = graph.start("--ros-args", "--params-file", file, "-p", f"model:={model}")
    graph.camera()
    assert re.search(r"no parameters of this node and are ignored: .*video_device", process.text)
    assert "no parameter 'max_range': it is ignored. Did you mean 'max_rate'?" in process.text


@pytest.mark.parametrize("arguments", [{"engine": "abacus"}, {"overlay_alpha": 3.0}, {"precision": "fp64"}])
def test_a_parameter_it_cannot_start_with_ends_the_process_with_the_reason(graph, model, arguments):
    process = graph.start_node(model, **arguments)
    assert process.popen.wait(30) == 2
    assert next(iter(arguments)) in process.text
    assert "Traceback" not in process.text


def test_build_only_makes_what_the_engine_needs_and_ends(graph, model, tmp_path):
    pytest.importorskip("onnxruntime")
    graph.environment["ICNET_CACHE"] = str(tmp_path / "cache")
    process = graph.start_node(model, build_only=True, autostart=False, engine="onnxruntime")
    assert process.popen.wait(60) == 0, process.text
    assert "active" not in process.text
    assert [path.suffix for path in sorted((tmp_path / "cache").iterdir())] == [".json", ".onnx"]
    process = graph.start_node(tmp_path / "none.safetensors", build_only=True)
    assert process.popen.wait(60) == 2
    assert "none.safetensors: no such file" in process.text


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("model", "/none.safetensors", r"cannot start: /none\.safetensors: no such file"),
        ("precision", "int8", "cannot start: .*int8"),  # the model has no file for it
        ("engine", "tensorrt", "cannot start: .*tensorrt"),
        ("engine", "foo", "engine is 'foo'"),
        ("enigne", "torch", "did you mean 'engine'"),
        ("cameras", "[]", r"cameras is \[\]; it takes at least one name"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_process_with_exit_code_2(graph, model, parameter, value, words):
    settings = {"model": model, "device": "cpu", parameter: value}
    process = graph.start("--ros-args", *(word for item in settings.items() for word in ("-p", "{}:={}".format(*item))))
    assert process.popen.wait(60) == 2, process.text
    assert re.search(words, process.text)
    assert "Traceback" not in process.text


@pytest.mark.parametrize(
    ("module", "name", "parameter"),
    [
        ("icnet_ros.node.main", "front.eye", "engine:=foo"),
        ("icnet_ros.node.evaluator", "front.eye", "bag:=/none"),
        ("icnet_ros.node.main", "icnet", "use_sim_time:=soon"),  # no node can be made with it
    ],
)
def test_the_reason_is_logged_by_the_name_that_the_node_has(graph, module, name, parameter):
    process = graph.start("--ros-args", "-r", "__ns:=/front", "-r", "__node:=eye", "-p", parameter, module=module)
    assert process.popen.wait(60) == 2
    assert re.search(rf"\[FATAL\] \[[\d.]+\] \[{re.escape(name)}\]: ", process.text), process.text
    assert "Traceback" not in process.text


def test_every_transition_is_logged(graph, model):
    process = graph.start_node(model, autostart=False)
    for name, words in (
        ("CONFIGURE", "ready after"),
        ("ACTIVATE", "active, images from /image"),
        ("DEACTIVATE", "inactive: images are ignored"),
        ("CLEANUP", "unconfigured: the engine is released"),
        ("UNCONFIGURED_SHUTDOWN", "finalized"),
    ):
        assert words not in process.text
        assert graph.change(getattr(Transition, f"TRANSITION_{name}"))
        assert words in process.text


def test_the_log_level_debug_shows_each_frame(graph, model):
    process = graph.start("--ros-args", "-p", f"model:={model}", "--log-level", "icnet:=debug")
    camera = graph.camera()
    graph.spin_until(lambda: "image 1001.988, " in process.text, again=lambda: camera.publish(image(1)))
    assert re.search(
        r"image 1001\.988, \d+x\d+, sub124 at \d+ rows: ms transport .*inference \d+\.\d.*total \d+\.\d", process.text
    )


@pytest.mark.parametrize(("words", "code"), [(("--help",), 0), (("bag",), 2), (("--model", "x"), 2)])
def test_arguments_that_are_not_ros_arguments(graph, words, code):
    process = graph.start(*words, fresh=True)
    assert process.popen.wait(30) == code
    assert "usage: ros2 run icnet_ros segmentation_node" in process.text
    if not code:
        assert all(f"  {name}: " in process.text for name in by_name())


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_active_node_in_order(graph, model, sign):
    process = graph.start_node(model, fresh=True)
    camera = graph.camera()
    for number in range(10):
        camera.publish(image(number))
    code, seconds = process.interrupt(sign)
    assert code == 0, process.text
    assert seconds < 5
    assert "Traceback" not in process.text
    assert "ERROR" not in process.text  # the frame in hand was still published


def test_a_signal_while_the_engine_is_being_built(graph, model):
    process = graph.start_node(model, fresh=True, warm_up_width=4096, warm_up_height=4096)
    graph.spin_until(lambda: graph.node.count_publishers("/diagnostics"))
    code, seconds = process.interrupt()
    assert (code, seconds < 5) == (0, True), process.text
    assert "stopped while the engine was being built" in process.text
    assert "ERROR" not in process.text
    assert "FATAL" not in process.text


def test_a_command_waits_for_the_node(graph, model):
    """What replay.launch.py starts the player with: nothing depends on when the node became active."""
    words = ("/icnet", sys.executable, "-c", "print('GO')")
    early = graph.start(*words, module="icnet_ros.node.launching.when_active")
    graph.start_node(model, engine="torch", autostart=False)
    graph.spin_until(lambda: "icnet" in graph.node.get_node_names())
    assert graph.change(Transition.TRANSITION_CONFIGURE)
    graph.spin_for(1.0)
    assert "GO" not in early.text
    assert graph.change(Transition.TRANSITION_ACTIVATE)
    graph.spin_until(lambda: "GO" in early.text)
    late = graph.start(*words, module="icnet_ros.node.launching.when_active")
    graph.spin_until(lambda: "GO" in late.text)
    assert (early.popen.wait(10), late.popen.wait(10)) == (0, 0)
