"""An int8 file beside a checkpoint that is not what it says."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from icnet_ros.checkpoint.file import load, save
from icnet_ros.engine.artefacts.int8 import METADATA_KEY, int8_path
from icnet_ros.engine.base import EngineError, EngineOptions, Frame
from icnet_ros.engine.table import open_engine

FRAME = Frame(np.zeros((48, 64, 3), np.uint8))


def foreign(checkpoint, classes=3, *, nchw=False, names=("image", "logits"), operator="Conv"):
    """A network that averages the image into `classes` maps at a quarter of its size."""
    weights = onnx.numpy_helper.from_array(np.ones((classes, 3, 4, 4), np.float32), "w")
    nodes = [helper.make_node("Conv", [names[0], "w"], ["maps"], strides=[4, 4])]
    nodes.append(helper.make_node("Transpose", ["maps"], [names[1]], perm=[0, 1, 2, 3] if nchw else [0, 2, 3, 1]))
    if operator != "Conv":
        nodes[0] = helper.make_node(operator, [names[0], "w"], ["maps"], domain="nowhere")
    sides = [None, 3, None, None]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [None] * 4)],
        [weights],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({"sha256": checkpoint.sha256})})
    onnx.save(model, int8_path(checkpoint, "sub124"))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"nchw": True}, "belongs to another network"),
        ({"classes": 5}, "belongs to another network"),
        ({"classes": 300}, "belongs to another network"),
        ({"names": ("input", "logits")}, "not image and logits"),
        ({"names": ("image", "out")}, "not image and logits"),
        ({"operator": "Magic"}, "cannot (open|compile)"),
    ],
)
def test_a_foreign_network_is_refused(tmp_path, tiny, engine, options, problem):
    pytest.importorskip(engine)
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    checkpoint = load(tmp_path / "m.safetensors")
    foreign(checkpoint, **options)
    with pytest.raises(EngineError, match=problem):
        open_engine(engine, checkpoint, EngineOptions("cpu", "int8")).segment([FRAME])


def test_one_that_fits_runs(tmp_path, tiny):
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    checkpoint = load(tmp_path / "m.safetensors")
    foreign(checkpoint)
    labels = open_engine("onnxruntime", checkpoint, EngineOptions("cpu", "int8")).segment([FRAME])[0].labels
    assert labels.shape == (48, 64)
