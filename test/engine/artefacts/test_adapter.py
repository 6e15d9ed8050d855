"""Graphs of all kinds are adapted, and what runs them gives the network's labels."""

import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tails import DESCRIPTION, SIZE, Op, adapted, frame, resize, write

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.base import EngineError, EngineOptions
from icnet_ros.engine.table import open_engine


def fixed_inside(inner):
    """Exported at 128x256, with an interpolation to that size at the end, and `inner` before it."""
    return [*inner, resize(constants=(None, None, np.array([1, 4, *SIZE])))]


def test_a_network_of_one_size_may_take_any(tmp_path):
    """Labels at other sizes are those of the same network exported with dynamic sizes."""
    down, back = Op("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}), (None, None, np.array([1, 4, 16, 32]))
    path = write(
        tmp_path / "net.onnx", fixed_inside([down, resize(constants=back)]), size=SIZE,
        description=DESCRIPTION | {"input_size": "any"},
    )  # fmt: skip
    whole = write(tmp_path / "whole.onnx", [down, resize(constants=(None, np.array([1, 1, 2, 2], np.float32)))])
    for size in (SIZE, (160, 96), (96, 320)):
        labels = [
            open_engine("onnxruntime", open_checkpoint(one), EngineOptions("cpu")).segment([frame(size)])[0].labels
            for one in (path, whole)
        ]
        assert labels[0].shape == size
        assert (labels[0] == labels[1]).mean() > 0.999


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ([Op("Reshape", {}, ([1, 4, 16, 32],))], "its operator Reshape may depend on the size"),
        ([Op("Add", {}, (np.zeros((1, 4, 16, 32), np.float32),))], "Add has a constant for each place"),
        ([Op("AveragePool", {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]})], "may be an adaptive pooling"),
        ([resize(constants=(None, None, np.array([1, 4, 20, 32])))], "a Resize inside it goes from 16x32 to 20x32"),
    ],
)
def test_what_depends_on_the_size_cannot_take_any(tmp_path, inner, problem):
    path = write(tmp_path / "net.onnx", fixed_inside(inner), size=SIZE, description=DESCRIPTION | {"input_size": "any"})
    with pytest.raises(EngineError, match=problem):
        adapted(path)


def model_of(nodes, tensors, *, inputs=None, outputs=None, functions=(), opset=17):
    graph = helper.make_graph(
        nodes, "g",
        inputs or [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        outputs or [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4, "a", "b"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))


def saved(tmp_path, model):
    import yaml

    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION))
    return path


WEIGHTS = np.random.default_rng(7).normal(0, 0.06, (4, 3, 8, 8)).astype(np.float32)
CONV = helper.make_node("Conv", ["image", "w"], ["raw"], strides=[8, 8])


def branch(*nodes, output="inner"):
    return helper.make_graph(
        list(nodes), "branch", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    )


def with_if():
    """Both branches read values from outside, one of them the picture itself, and names that we use, too."""
    small = branch(helper.make_node("Mul", ["raw", "two"], ["inner"]))
    large = branch(
        helper.make_node("Conv", ["image", "w"], ["again"], strides=[8, 8]),
        helper.make_node("Add", ["again", "raw"], ["inner"]),
    )
    nodes = [
        CONV,
        helper.make_node("ReduceMax", ["image"], ["highest"], keepdims=0),
        helper.make_node("Less", ["highest", "two"], ["dark"]),
        helper.make_node("If", ["dark"], ["logits"], then_branch=small, else_branch=large),
    ]
    return model_of(nodes, {"w": WEIGHTS, "two": np.float32(2)})


def with_loop():
    """Adds `raw` and the mean of the input, values from outside, three times."""
    body = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=1),
            helper.make_node("Add", ["raw", "mean"], ["brighter"]),  # the same for all classes
            helper.make_node("Add", ["sum_in", "brighter"], ["sum_out"]),
            helper.make_node("Identity", ["condition_in"], ["condition_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("condition_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, None),
        ],
    )
    nodes = [CONV, helper.make_node("Loop", ["three", "yes", "raw"], ["logits"], body=body)]
    return model_of(nodes, {"w": WEIGHTS, "three": np.int64(3), "yes": np.array(True)})


def with_function():
    """A function of the file's own, called twice, one call inside the other's result."""
    function = helper.make_function(
        "own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 17)]
    )
    nodes = [
        CONV,
        helper.make_node("Twice", ["raw"], ["double"], domain="own"),
        helper.make_node("Twice", ["double"], ["logits"], domain="own"),
    ]
    return model_of(nodes, {"w": WEIGHTS}, functions=[function])


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("make", [with_if, with_loop, with_function])
def test_branches_loops_and_functions(tmp_path, make, engine):
    pytest.importorskip(engine)
    path = saved(tmp_path, make())
    shown = frame()
    runner = open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))
    labels = runner.segment([shown])[0].labels
    plain = saved(
        tmp_path, model_of([helper.make_node("Conv", ["image", "w"], ["logits"], strides=[8, 8])], {"w": WEIGHTS})
    )
    expected = open_engine(engine, open_checkpoint(plain), EngineOptions("cpu")).segment([shown])[0].labels
    assert (labels == expected).mean() > 0.999  # a multiple of the same logits
    assert len(np.unique(labels)) > 1


def test_a_sequence_as_output(tmp_path):
    value = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    nodes = [CONV, helper.make_node("SequenceConstruct", ["raw"], ["parts"])]
    parts = helper.make_value_info("parts", value)
    path = saved(tmp_path, model_of(nodes, {"w": WEIGHTS}, outputs=[parts]))
    with pytest.raises(CheckpointError, match="its output 'parts' is a sequence, no tensor: export a tensor"):
        open_checkpoint(path)
    both = [parts, helper.make_tensor_value_info("raw", TensorProto.FLOAT, [1, 4, "a", "b"])]
    path = saved(tmp_path, model_of(nodes, {"w": WEIGHTS}, outputs=both))
    with pytest.raises(CheckpointError, match=r"several outputs: add output to its \.yaml, one of raw"):
        open_checkpoint(path)


def test_what_the_output_does_not_need_is_left_out(tmp_path):
    """An auxiliary head beside the output, as torchvision's networks have it, costs nothing."""
    nodes = [
        CONV,
        helper.make_node("Conv", ["raw", "aux_w"], ["auxiliary"]),
        helper.make_node("Identity", ["raw"], ["logits"]),
    ]
    tensors = {"w": WEIGHTS, "aux_w": np.ones((4, 4, 1, 1), np.float32)}
    model = onnx.load(adapted(saved(tmp_path, model_of(nodes, tensors))))
    assert [node.op_type for node in model.graph.node].count("Conv") == 1
    assert [tensor.name for tensor in model.graph.initializer] == ["network/w"]


@pytest.mark.parametrize("asked", ["auto", "openvino"])
def test_onnxruntime_takes_over_where_openvino_gives_other_labels(tmp_path, asked, caplog):
    """An antialiased Resize inside, which OpenVINO 2026.4.1 computes without antialias."""
    pytest.importorskip("openvino")
    shrink = resize(constants=(None, np.array([1, 1, 0.24, 0.24], np.float32)), antialias=1)
    path = write(tmp_path / "net.onnx", [shrink], stride=1, opset=18)
    engine = open_engine(asked, open_checkpoint(path), EngineOptions("cpu", "auto"))
    assert engine.name == "onnxruntime"
    assert "engine onnxruntime in place of openvino: OpenVINO" in caplog.text
    assert "other labels than ONNX Runtime" in caplog.text
    from icnet_ros.engine.table import replaced_engine

    reason = replaced_engine(asked, engine.name, open_checkpoint(path), "sub124")
    assert "other labels" in reason
    caplog.clear()
    caplog.set_level(logging.INFO)
    open_engine(asked, open_checkpoint(path), EngineOptions("cpu"))
    assert "building" not in caplog.text  # the comparison is cached


def test_int8_operators_of_others_do_not_saturate(tmp_path, monkeypatch, caplog):
    """On CPUs without VNNI, onnxruntime takes exact products, and openvino warns."""
    pytest.importorskip("openvino")
    from icnet_ros.engine.backends import onnxruntime as of_onnxruntime
    from icnet_ros.engine.backends import openvino as of_openvino

    scale, zero = np.float32(0.02), np.int8(0)
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["x"]),
        helper.make_node("Conv", ["x", "w"], ["logits"], strides=[8, 8]),
    ]
    path = saved(tmp_path, model_of(nodes, {"w": WEIGHTS, "s": scale, "z": zero}))
    entries = []

    class Options(of_onnxruntime.onnxruntime.SessionOptions):
        def add_session_config_entry(self, key, value):
            entries.append((key, value))
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(of_onnxruntime.onnxruntime, "SessionOptions", Options)
    for flags, expected in ((set(), [("session.x64quantprecision", "1")]), ({"avx_vnni"}, [])):
        monkeypatch.setattr(of_onnxruntime, "cpu_flags", lambda flags=flags: flags)
        monkeypatch.setattr(of_openvino, "cpu_flags", lambda flags=flags: flags)
        entries.clear()
        caplog.clear()
        assert open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([frame()])
        assert entries == expected
        open_engine("openvino", open_checkpoint(path), EngineOptions("cpu"))
        assert ("may saturate" in caplog.text) == bool(expected)
    assert read_tail(adapted(path)).quantized
