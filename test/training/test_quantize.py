"""`icnet quantize`, and the engines that run what it writes."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from blocked import environment
from street import draw_camvid

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import load, open_checkpoint, save, untrained
from icnet_ros.engine.artefacts.int8 import METADATA_KEY, int8_path, signed_file
from icnet_ros.engine.base import EngineError, EngineOptions, Frame
from icnet_ros.engine.table import open_engine

onnx = pytest.importorskip("onnx")
pytest.importorskip("nncf")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")


def icnet(*words):
    """The command, where torch is not installed: none of those below needs it."""
    command = [sys.executable, "-m", "icnet_ros.command.main", *map(str, words)]
    with TemporaryDirectory() as folder:
        env = environment(Path(folder), "torch")
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """CamVid, drawn; a checkpoint; the int8 file that the command made of both."""
    folder = tmp_path_factory.mktemp("quantized")
    draw_camvid(folder / "data")
    checkpoint = untrained(load_classes("camvid"), width=0.25)
    save(folder / "m.safetensors", checkpoint.spec, checkpoint.weights)
    words = [
        "--model",
        folder / "m.safetensors",
        "--data",
        "camvid",
        "--root",
        folder / "data",
        "--images",
        6,
        "--exit",
        "sub24",
    ]
    code, out, err = icnet("quantize", *words, "--max-drop", 10)
    assert code == 0, err
    assert "in fp32" in out
    return folder


def test_the_file_says_where_it_comes_from(folder):
    path = folder / "m.sub24.int8.onnx"
    model = onnx.load(path)
    said = json.loads({entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY])
    assert said["sha256"] == load(folder / "m.safetensors").sha256
    assert said["calibration"] == {"dataset": "camvid", "split": "train", "images": 6}
    assert 0 <= said["miou_after"] <= 1
    assert sorted(entry.name for entry in folder.iterdir()) == ["data", "m.safetensors", path.name]


def test_it_is_what_every_runtime_takes(folder):
    """Symmetric, one scale per output channel of a weight, biases in float."""
    model = onnx.load(folder / "m.sub24.int8.onnx")
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(quantizers) > 50
    assert all(not constants[node.input[2]].any() for node in quantizers)
    assert {constants[node.input[2]].dtype.name for node in quantizers} <= {"int8", "uint8"}
    dequantized = {node.output[0] for node in quantizers if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert all(node.input[1] in dequantized for node in convolutions)
    assert not any(node.input[2] in dequantized for node in convolutions)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_labels_are_nearly_those_of_fp32(folder, engine):
    checkpoint = open_checkpoint(folder / "m.safetensors")
    frame = Frame(cv2.imread(str(next((folder / "data/val/images").iterdir()))))
    whole, small = (
        open_engine(engine, checkpoint, EngineOptions("cpu", precision, "sub24")) for precision in ("fp32", "int8")
    )
    expected, given = (one.segment([frame])[0].labels for one in (whole, small))
    assert 0.9 < (given == expected).mean() < 1


def test_what_tensorrt_gets_is_signed_and_answers_the_same(folder):
    """It would take the uint8 activations for int8, 0..255 for -128..127."""
    checkpoint = open_checkpoint(folder / "m.safetensors")
    path = signed_file(checkpoint, "sub24")
    model = onnx.load(path)
    constants = {entry.name: entry.data_type for entry in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert {constants[node.input[2]] for node in quantizers} == {onnx.TensorProto.INT8}
    image = np.random.default_rng(0).normal(0, 60, (1, 3, 96, 128)).astype(np.float32)
    unsigned, signed = (
        onnxruntime.InferenceSession(str(name), providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]
        for name in (int8_path(checkpoint, "sub24"), path)
    )
    assert np.abs(unsigned - signed).max() > 0
    assert (unsigned.argmax(-1) == signed.argmax(-1)).mean() > 0.9


def test_evaluate_measures_what_an_engine_answers(folder):
    words = ["--model", folder / "m.safetensors", "--data", "camvid", "--root", folder / "data", "--exit", "sub24"]
    code, _, err = icnet(
        "evaluate", *words, "--engine", "auto", "--precision", "int8", "--json", folder / "data/o.json"
    )
    assert code == 0, err
    assert list(json.loads((folder / "data/o.json").read_text())["exits"]) == ["sub24"]
    code, _, err = icnet("evaluate", *words, "--engine", "auto", "--flip")
    assert code == 1
    assert "leave out --flip" in err
    for more, message in (((), "--rows is for engines"), (("--engine", "auto", "--scale", 1), "exclude each other")):
        code, _, err = icnet("evaluate", *words, "--rows", 96, *more)
        assert code == 1
        assert message in err


def test_too_large_a_loss_writes_nothing(folder, tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes((folder / "m.safetensors").read_bytes())
    words = [
        "--model",
        model,
        "--data",
        "camvid",
        "--root",
        folder / "data",
        "--images",
        2,
        "--limit",
        1,
        "--max-drop",
        -100,
    ]
    code, _, err = icnet("quantize", *words)
    assert code == 1
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == [model]


def test_what_cannot_be_used_says_how_to_make_it(folder, tmp_path):
    options = EngineOptions("cpu", "int8", "sub24")
    with pytest.raises(EngineError, match="untrained is no file"):
        open_engine("onnxruntime", untrained(load_classes("camvid"), 0.25), options)
    checkpoint = untrained(load_classes("camvid"), width=0.25, seed=1)
    save(tmp_path / "m.safetensors", checkpoint.spec, checkpoint.weights)
    other = open_checkpoint(tmp_path / "m.safetensors")
    path = int8_path(other, "sub24")
    for content, reason in (
        (None, "precision int8 needs"),
        (b"\x00nonsense", "damaged"),
        ((folder / "m.sub24.int8.onnx").read_bytes(), "calibrated for other weights"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(EngineError, match=reason) as error:
            open_engine("openvino", other, options)
        assert f"icnet quantize --model {tmp_path / 'm.safetensors'} --exit sub24 --data" in str(error.value)


def test_int8_convolutions_have_no_stride_of_their_own(folder):
    """OpenVINO would compute them in float: stage 3 begins with two 1x1 convolutions with stride 2."""
    import openvino

    model = openvino.Core().read_model(folder / "m.sub24.int8.onnx")
    model.reshape([1, 3, 96, 128])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kinds = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    kinds = [kind for kind in kinds if kind["layerType"].astype(str) == "Convolution"]
    assert len(kinds) > 40
    assert {kind["runtimePrecision"].astype(str) for kind in kinds} <= {"i8", "u8"}


@pytest.mark.parametrize(
    ("kernel", "changes", "taken"),
    [
        (1, {"strides": [2, 2]}, 1),
        (1, {"strides": [2, 1]}, 1),
        (1, {}, 0),
        (1, {"strides": [1, 1]}, 0),
        (3, {"strides": [2, 2]}, 0),
        (1, {"strides": [2, 2], "pads": [1, 1, 1, 1]}, 0),
    ],
)
def test_strides_taken_out_change_no_value(kernel, changes, taken):
    from icnet_ros.training.quantize import take_strides_out

    weights = np.random.default_rng(0).normal(size=(2, 4, 3, kernel, kernel)).astype(np.float32)
    value = onnx.helper.make_tensor_value_info
    layers = [onnx.helper.make_node("Conv", ["x", f"w{n}"], [f"y{n}"], f"conv{n}", **changes) for n in (0, 1)]
    graph = onnx.helper.make_graph(
        [*layers, onnx.helper.make_node("Add", ["y0", "y1"], ["y"])],
        "two convolutions",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, None, None])],
        [value("y", onnx.TensorProto.FLOAT, [1, 4, None, None])],
        [onnx.numpy_helper.from_array(weights[n], f"w{n}") for n in (0, 1)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    image = np.random.default_rng(1).normal(size=(1, 3, 9, 12)).astype(np.float32)

    def run():
        onnx.checker.check_model(model, full_check=True)
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": image})[0]

    expected = run()
    take_strides_out(model)
    assert [node.op_type for node in model.graph.node].count("MaxPool") == taken
    np.testing.assert_array_equal(run(), expected)
