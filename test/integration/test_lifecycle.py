"""Transitions and parameters through the real services, and how the process ends."""

import dataclasses
import re

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from messages import image
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.file import save
from icnet_ros.node.parameters import by_name

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_all_transitions_twice_over(graph, model):
    process = graph.start_node(model, autostart=False)
    labels, _ = graph.listen(Image, "/icnet/labels")
    assert graph.state() == State.PRIMARY_STATE_UNCONFIGURED
    for round_ in (1, 2):
        assert graph.change(Transition.TRANSITION_CONFIGURE)
        assert graph.state() == State.PRIMARY_STATE_INACTIVE
        assert not graph.node.get_subscriptions_info_by_topic("/image")
        assert graph.change(Transition.TRANSITION_ACTIVATE)
        assert graph.state() == State.PRIMARY_STATE_ACTIVE
        camera = graph.camera()
        camera.publish(image(round_))
        graph.spin_until(lambda round_=round_: [m.header.stamp.sec for m in labels][-1:] == [1_000 + round_])
        assert graph.change(Transition.TRANSITION_DEACTIVATE)
        graph.spin_until(lambda camera=camera: camera.get_subscription_count() == 0)
        graph.node.destroy_publisher(camera)
        assert graph.change(Transition.TRANSITION_CLEANUP)
        assert graph.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert graph.change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert graph.state() == State.PRIMARY_STATE_FINALIZED
    assert "Traceback" not in process.text
    assert len(labels) == 2


def test_an_impossible_transition_is_refused_and_survived(graph, model):
    process = graph.start_node(model)
    graph.camera()
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    client = graph.node.create_client(ChangeState, "/icnet/change_state")
    graph.spin_until(client.service_is_ready)
    client.call_async(request)  # some releases of rclpy never answer it
    graph.spin_for(1.0)
    assert process.popen.poll() is None
    assert graph.state() == State.PRIMARY_STATE_ACTIVE


def test_a_configuration_that_breaks_leaves_nothing_behind(graph, model):
    graph.start_node(model, autostart=False, **{"qos_overrides./icnet/latency.publisher.reliability": "bogus"})
    for _ in range(2):
        assert not graph.change(Transition.TRANSITION_CONFIGURE)
        graph.spin_for(0.5)
        assert graph.node.count_publishers("/icnet/labels") == 0
    assert graph.state() == State.PRIMARY_STATE_UNCONFIGURED


def test_an_activation_that_failed_fails_again(graph, model):
    process = graph.start_node(model, autostart=False)
    assert graph.change(Transition.TRANSITION_CONFIGURE)
    assert graph.set("score_classes", ["nonsense"]).successful
    for _ in range(2):
        assert not graph.change(Transition.TRANSITION_ACTIVATE)
        assert graph.state() == State.PRIMARY_STATE_INACTIVE
    assert process.text.count("activate failed") == 2
    assert graph.set("score_classes", [""]).successful
    assert graph.change(Transition.TRANSITION_ACTIVATE)
    graph.camera()


def test_a_bad_checkpoint_fails_configure_and_is_said(graph, model, tiny, tmp_path):
    """One after another in one process, and then a good one."""
    nan = dict(tiny.weights) | {"cls.weight": tiny.weights["cls.weight"] * float("nan")}
    four = dataclasses.replace(tiny.spec, classes=ClassTable("four", tuple("abcd"), ((0, 0, 0),) * 4))
    bad = {
        "pickle": (lambda path: path.write_bytes(b"\x80\x04 a pickle"), "a PyTorch or pickle file"),
        "nan": (lambda path: save(path, tiny.spec, nan), "holds NaN or infinity"),
        "classes": (lambda path: save(path, four, tiny.weights), "4 classes"),
        "truncated": (lambda path: path.write_bytes(model.read_bytes()[:5000]), ""),
        "none": (lambda path: None, "no such file"),
        "folder": (lambda path: path.mkdir(), ""),
    }
    process = graph.start_node(tmp_path / "pickle.safetensors", autostart=False)
    for name, (make, words) in bad.items():
        path = tmp_path / f"{name}.safetensors"
        make(path)
        assert graph.set("model", str(path)).successful
        assert not graph.change(Transition.TRANSITION_CONFIGURE), name
        assert graph.state() == State.PRIMARY_STATE_UNCONFIGURED
        assert re.search(rf"configure failed: .*{name}\.safetensors.*{words}", process.text, re.IGNORECASE), name
    assert "Traceback" not in process.text
    assert graph.set("model", str(model)).successful
    assert graph.change(Transition.TRANSITION_CONFIGURE)


def test_a_transition_requested_during_another_comes_after_it(graph, model):
    process = graph.start_node(model, autostart=False)
    client = graph.node.create_client(ChangeState, "/icnet/change_state")
    graph.spin_until(client.service_is_ready)
    names = ("CONFIGURE", "ACTIVATE", "DEACTIVATE", "CLEANUP", "CONFIGURE")
    requests = [
        client.call_async(ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{name}"))))
        for name in names
    ]
    graph.spin_until(lambda: all(request.done() for request in requests))
    assert [request.result().success for request in requests] == [True] * len(names)
    assert graph.state() == State.PRIMARY_STATE_INACTIVE
    assert "Traceback" not in process.text


def test_two_nodes_of_one_name_are_said(graph, model):
    for _ in range(2):
        graph.start_node(model)
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")

    def said():
        return [
            s for array in statuses for s in array.status if "1 more of this name" in s.message and s.level == b"\1"
        ]

    camera = graph.camera()
    graph.spin_until(said, again=lambda: camera.publish(image()))


def test_every_parameter_is_described_and_guarded(graph, model):
    graph.start_node(model)
    graph.camera()
    request = DescribeParameters.Request(names=list(by_name()))
    described = graph.call(DescribeParameters, "/icnet/describe_parameters", request).descriptors
    for descriptor, entry in zip(described, by_name().values(), strict=True):
        assert descriptor.description == entry.metadata["description"]
        assert descriptor.read_only == (entry.metadata["change"] == "start")
    refused = {
        "engine": "torch",
        "overlay_alpha": 1.5,
        "jpeg_quality": 0,
        "input_timeout_s": "soon",
        "drop_warning": float("nan"),
    }
    for name, value in refused.items():
        result = graph.set(name, value)
        assert not result.successful, name
        assert result.reason, name
    assert graph.set("overlay_alpha", 0.25).successful


def test_an_active_node_takes_the_values_that_it_has(graph, model):
    """As `ros2 param dump` writes them and `ros2 param load` sets them; it knows what is read-only."""
    graph.start_node(model, cameras=["left", "right"], score_classes=["road"])
    graph.camera("/left/image")
    names = [name for name, entry in by_name().items() if entry.metadata["change"] != "start"]
    values = graph.call(GetParameters, "/icnet/get_parameters", GetParameters.Request(names=names)).values
    own = [Parameter(name=name, value=value) for name, value in zip(names, values, strict=True)]
    results = graph.call(SetParameters, "/icnet/set_parameters", SetParameters.Request(parameters=own)).results
    assert [(name, one.reason) for name, one in zip(names, results, strict=True) if not one.successful] == []
    assert "cameras is fixed while the node is active" in graph.set("cameras", ["left"]).reason


def test_another_model_without_another_process(graph, model, tmp_path):
    """Deactivate, set, activate: other classes, an engine that cannot be had, and back."""
    from icnet_ros.checkpoint.file import untrained

    other = untrained(ClassTable("two", ("free", "occupied"), ((0, 0, 0), (255, 0, 0))), width=0.25)
    save(tmp_path / "two.safetensors", other.spec, other.weights)
    process = graph.start_node(model, engine="torch")
    labels, _ = graph.listen(Image, "/icnet/labels")
    infos, _ = graph.listen(LabelInfo, "/icnet/label_info", LATCHED)
    camera = graph.camera()
    camera.publish(image(1))
    graph.spin_until(lambda: labels)
    refused = graph.set("model", str(tmp_path / "two.safetensors"))
    assert (refused.successful, "deactivate it" in refused.reason) == (False, True)

    def swap(path):
        assert graph.change(Transition.TRANSITION_DEACTIVATE)
        assert graph.set("model", str(path)).successful
        return graph.change(Transition.TRANSITION_ACTIVATE)

    assert swap(tmp_path / "two.safetensors")
    names = ["free", "occupied", "unlabelled"]
    graph.spin_until(lambda: [entry.class_name for entry in infos[-1].class_map] == names)
    graph.spin_until(lambda: camera.get_subscription_count() > 0)
    graph.spin_for(0.3)
    camera.publish(image(2))
    graph.spin_until(lambda: len(labels) == 2)
    assert max(labels[-1].data) <= 1
    assert not swap(tmp_path / "none.safetensors")
    assert graph.state() == State.PRIMARY_STATE_INACTIVE
    assert graph.set("model", str(model)).successful
    assert graph.change(Transition.TRANSITION_ACTIVATE)
    graph.spin_until(lambda: camera.get_subscription_count() > 0)
    graph.spin_for(0.3)
    camera.publish(image(3))
    graph.spin_until(lambda: len(labels) == 3)
    assert process.popen.poll() is None
    assert "Traceback" not in process.text
