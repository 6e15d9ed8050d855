"""The launch file under the real launch system, checked with the ros2 command line."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")
pytest.importorskip("launch_ros", reason="no launch system in this environment (launch_ros)")

from consumers import Nav2SemanticLayer
from diagnostic_msgs.msg import DiagnosticArray
from drives import make_bag
from messages import image
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float32

from icnet_ros.checkpoint.file import load
from icnet_ros.dds import NEW, OLD
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.node.launching.arguments import full_namespace
from icnet_ros.node.parameters import by_name
from icnet_ros.share import share

pytestmark = [
    pytest.mark.full_ros,
    pytest.mark.skipif(shutil.which("ros2") is None, reason="no ros2 command line in this environment"),
]
PARAMETERS = yaml.safe_load(share("config", "nav2_semantic_costmap.yaml").read_text())
LAYER = PARAMETERS["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]["camera"]
# A background job of a non-interactive shell ignores SIGINT, and so would everything it starts.
LAUNCH = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execvp('ros2', ['ros2', 'launch', 'icnet_ros', *sys.argv[1:]])"
)


class Launch:
    popen = None

    def __init__(self, graph):
        self.graph = graph
        self.environment = {k: v for k, v in graph.environment.items() if k not in (OLD, NEW)}

    def start(self, *arguments, file="segmentation.launch.py"):
        log = self.graph.tmp_path / "launch.log"
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, file, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        return log

    def ros2(self, *words):
        """Its output. The daemon behind it may not have seen the node yet, so it is asked again."""

        def ask():
            nonlocal result
            result = subprocess.run(
                ["ros2", *words], env=self.environment, capture_output=True, text=True, check=False, timeout=60
            )
            return result.returncode == 0

        result = None
        self.graph.spin_until(ask)
        return result.stdout


@pytest.fixture
def launch(graph):
    launch = Launch(graph)
    yield launch
    if launch.popen is not None and launch.popen.poll() is None:
        os.killpg(launch.popen.pid, signal.SIGKILL)
    subprocess.run(["ros2", "daemon", "stop"], env=launch.environment, capture_output=True, check=False)


def test_the_launched_node_is_what_the_arguments_say(graph, launch, model):
    log = launch.start(f"model:={model}", "namespace:=front", "image:=/cam/image", "engine:=torch", "log_level:=warn")
    labels, _ = graph.listen(Image, "/front/icnet/labels")
    camera = graph.camera("/cam/image")
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))
    assert labels[0].header.frame_id == "front"
    assert "active [3]" in launch.ros2("lifecycle", "get", "/front/icnet")
    assert launch.ros2("param", "get", "/front/icnet", "engine").strip() == "String value is: torch"
    assert str(model) in launch.ros2("param", "get", "/front/icnet", "model")
    topics = launch.ros2("topic", "list", "-t")
    for topic, kind in {
        "labels": "sensor_msgs/msg/Image",
        "latency": "icnet_ros/msg/FrameLatency",
        "label_info": "vision_msgs/msg/LabelInfo",
        "overlay/compressed": "sensor_msgs/msg/CompressedImage",
    }.items():
        assert f"/front/icnet/{topic} [{kind}]" in topics
    echo = launch.ros2(
        "topic",
        "echo",
        "--once",
        "--qos-durability",
        "transient_local",
        "--qos-reliability",
        "reliable",
        "/front/icnet/label_info",
    )
    assert "class_name: road" in echo
    assert "Transitioning successful" in launch.ros2("lifecycle", "set", "/front/icnet", "deactivate")
    launch.popen.send_signal(signal.SIGINT)
    assert launch.popen.wait(30) == 0, log.read_text()
    assert "images from" not in log.read_text()  # an info line, and log_level is warn
    assert "Traceback" not in log.read_text()


def test_cameras_are_launched_as_one_node(graph, launch, model):
    launch.start(f"model:={model}", "cameras:=front,left", "engine:=torch", file="cameras.launch.py")
    for name in ("front", "left"):
        labels, _ = graph.listen(Image, f"/icnet/{name}/labels")
        camera = graph.camera(f"/{name}/image_raw")
        graph.spin_until(lambda labels=labels: labels, again=lambda camera=camera: camera.publish(image()))
    assert launch.ros2("param", "get", "/icnet", "cameras").split(": ", 1)[1].strip() == "['front', 'left']"
    nodes = launch.ros2("node", "list").split()  # the launch system and the tester are nodes, too
    assert [name for name in nodes if "icnet" in name] == ["/icnet"]


def test_without_autostart_and_with_simulated_time(graph, launch, model):
    launch.start(f"model:={model}", "autostart:=false", "use_sim_time:=true", "input_transport:=compressed")
    graph.spin_until(lambda: "icnet" in graph.node.get_node_names())
    assert "unconfigured" in launch.ros2("lifecycle", "get", "/icnet")
    assert "True" in launch.ros2("param", "get", "/icnet", "use_sim_time")
    assert launch.ros2("lifecycle", "set", "/icnet", "configure")
    assert launch.ros2("lifecycle", "set", "/icnet", "activate")
    graph.spin_until(lambda: graph.node.get_subscriptions_info_by_topic("/camera/image_raw/compressed"))


def test_the_node_for_nav2_has_the_outputs_that_its_layer_needs(graph, launch, model):
    """With the stand-in for the layer, and the parameters that are shipped for it."""
    layer = Nav2SemanticLayer(graph.node, LAYER)
    arguments = ("image:=/c/image_raw", "depth:=/d/image_raw")
    launch.start(f"model:={model}", "engine:=torch", *arguments, file="nav2_costmap.launch.py")
    camera = graph.camera("/c/image_raw")
    depth_out = graph.node.create_publisher(Image, "/d/image_raw", 10)
    info_out = graph.node.create_publisher(CameraInfo, "/d/camera_info", 10)
    depth = Image(height=24, width=32, encoding="16UC1", step=64, data=np.full(768, 2000, np.uint16).tobytes())
    info = CameraInfo(height=24, width=32, k=[40.0, 0.0, 16.0, 0.0, 40.0, 12.0, 0.0, 0.0, 1.0])

    def send():
        depth.header = image().header
        for publisher, message in ((info_out, info), (depth_out, depth), (camera, image())):
            publisher.publish(message)

    graph.spin_until(lambda: layer.costs, again=send)
    assert layer.complaints == []
    assert launch.ros2("param", "get", "/icnet", "label_groups").strip() == "String value is: nav2"


@pytest.mark.parametrize("setting", ["engine:=foo", "model:=/none.safetensors"])
def test_a_node_whose_settings_cannot_be_used_is_not_started_again(launch, setting):
    log = launch.start("use_respawn:=true", setting)
    assert launch.popen.wait(60) in (0, 1)  # 1: the value is refused before a node is started
    assert log.read_text().count("process started") <= 1
    assert setting.partition(":=")[2] in log.read_text()


def test_a_node_that_dies_comes_back_if_asked_to(graph, launch, model):
    launch.start(f"model:={model}", "use_respawn:=true")

    def pids():
        command = ["pgrep", "-s", str(launch.popen.pid), "-f", "segmentation_node.*__node:=icnet"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    camera = graph.camera("/camera/image_raw")
    before = pids()
    assert before
    for pid in before:
        os.kill(int(pid), signal.SIGKILL)
    graph.spin_until(lambda: pids() and not set(pids()) & set(before))
    labels, _ = graph.listen(Image, "/icnet/labels")

    def labelled():
        camera.publish(image())
        return labels

    graph.spin_until(labelled)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("enigne:=torch", "there is no launch argument enigne; did you mean engine?"),
        ("latency_budget_ms:=soon", "latency_budget_ms is 'soon'; it takes a number"),
        ("exit:=sub8", "exit is 'sub8'; it takes one of sub4, sub24, sub124, auto"),
        ("cameras:=front,left", "image must contain {camera}"),
        ("cameras:=front,left image:=/{camera}/image depth:=/depth", "depth must contain {camera}"),
        ("params_file:=/no/such.yaml", "params_file: there is no file /no/such.yaml"),
        ("rviz:=true", "rviz:=true needs rviz2"),
    ],
)
def test_a_wrong_argument_ends_the_launch_before_a_node_starts(launch, argument, message):
    if argument.startswith("rviz") and shutil.which("rviz2"):
        pytest.skip("rviz2 is installed")
    log = launch.start(*argument.split())
    assert launch.popen.wait(30) == 1
    assert message in log.read_text()
    assert "segmentation_node" not in log.read_text()


@pytest.mark.parametrize("nodes", ["/**", "icnet", "/icnet"])
def test_cameras_of_a_parameter_file_get_the_topics_of_the_arguments(graph, launch, model, nodes):
    file = graph.tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump({nodes: {"ros__parameters": {"cameras": ["front", "left"]}}}))
    launch.start(f"model:={model}", f"params_file:={file}", "engine:=torch", "image:=/{camera}/picture")
    labels, _ = graph.listen(Image, "/icnet/left/labels")
    camera = graph.camera("/left/picture")
    graph.spin_until(lambda: labels, again=lambda: camera.publish(image()))


def test_cameras_of_a_parameter_file_need_a_topic_each(graph, launch):
    file = graph.tmp_path / "two.yaml"
    file.write_text("icnet: {ros__parameters: {cameras: [front, left]}}")
    log = launch.start(f"params_file:={file}", "image:=/picture")
    assert launch.popen.wait(30) == 1
    assert "image must contain {camera}" in log.read_text()


def test_text_that_looks_like_a_number_stays_text(launch):
    log = launch.start("model:=2026")
    launch.popen.wait(60)
    assert "no file and no model '2026'" in log.read_text()


@pytest.mark.parametrize(
    ("file", "required"), [("cameras.launch.py", "cameras:=front"), ("replay.launch.py", "bag:=/none")]
)
def test_the_other_launch_files_refuse_unknown_arguments(launch, file, required):
    log = launch.start("enigne:=torch", required, file=file)
    assert launch.popen.wait(30) == 1
    assert "did you mean engine?" in log.read_text()


def test_a_replay_needs_ros2_bag(launch):
    if importlib.util.find_spec("ros2bag"):
        pytest.skip("ros2bag is installed")
    log = launch.start("bag:=/none", file="replay.launch.py")
    assert launch.popen.wait(30) == 1
    assert "install the ROS package ros2bag" in log.read_text()


@pytest.mark.parametrize(
    ("pushed", "namespace", "full"),
    [("", "", ""), ("", "front", "front"), ("/robot", "", "robot"), ("/robot", "front", "robot/front"),
     ("/robot", "/front", "front")],
)  # fmt: skip
def test_namespaces_of_including_launch_files_count(pushed, namespace, full):
    assert full_namespace(SimpleNamespace(launch_configurations={"ros_namespace": pushed}), namespace) == full


def test_every_parameter_of_the_node_is_an_argument(launch, model):
    launch.start(f"model:={model}", "exit:=sub24", "latency_budget_ms:=5", "lazy:=true", "max_pixels:=1000000")
    for name, value in {"exit": "sub24", "latency_budget_ms": "5.0", "lazy": "True", "max_pixels": "1000000"}.items():
        assert launch.ros2("param", "get", "/icnet", name).split(": ", 1)[1].strip() == value


def test_arguments_are_listed_with_their_meaning(launch):
    shown = launch.ros2("launch", "icnet_ros", "segmentation.launch.py", "--show-args")
    for argument in ("image", "namespace", "params_file", "use_sim_time", "use_respawn", "log_level", *by_name()):
        assert f"'{argument}'" in shown


def test_a_bag_is_replayed_and_scored(graph, launch, model, tmp_path):
    """`ros2 bag play` through the launched node: the score is that of the engine alone."""
    pytest.importorskip("ros2bag", reason="no `ros2 bag` in this environment (ros2bag)")
    engine = open_engine("torch", load(model), EngineOptions("cpu"))
    bag = make_bag(tmp_path / "bag", engine, frames=8)
    log = launch.start(
        f"bag:={bag}", f"out:={tmp_path / 'out'}", f"model:={model}", "engine:=torch", "rate:=0.5", "namespace:=front",
        file="replay.launch.py",
    )  # fmt: skip
    diagnostics, _ = graph.listen(DiagnosticArray, "/diagnostics")
    scores, _ = graph.listen(Float32, "/front/icnet_evaluation/miou")
    graph.spin_until(lambda: launch.popen.poll() is not None)
    assert launch.popen.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    answer = json.loads((tmp_path / "out" / "report.json").read_text())
    assert answer["frames"]["scored"] == answer["frames"]["labelled"] >= 7, log.read_text()
    assert answer["pixel_accuracy"] == pytest.approx(0.75)
    assert answer["miou"] == pytest.approx(scores[-1].data, abs=1e-6)
    assert any(one.name == "front/icnet_evaluation: score" for array in diagnostics for one in array.status)
