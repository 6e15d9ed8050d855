"""Networks of two classes with one channel, such as road and background with a sigmoid."""

import json

import cv2
import numpy as np
import onnxruntime
import pytest
import yaml
from forked import icnet
from onnx import TensorProto
from tails import DESCRIPTION, SIZE, Op, adapted, frame, resize, scales, write

from icnet_ros.benchmark.networks.alone import alone
from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

TABLE = {
    "name": "road",
    "classes": [{"name": "background", "colour": [0, 0, 0]}, {"name": "road", "colour": [128, 64, 128]}],
}
BINARY = DESCRIPTION | {"classes": TABLE}
SIGMOID, LAST = Op("Sigmoid"), Op("Transpose", {"perm": [0, 2, 3, 1]})
SQUEEZE = Op("Squeeze", {}, (np.array([1]),))
HARD = Op("HardSigmoid", {"alpha": 0.25})  # a sigmoid whose name is not known

# name -> (operators behind the channel, output_kind, those that the engine replaces, opset)
NETWORKS = {
    "logits, resize": ([resize()], None, "Resize", 17),
    "logits, resize, said": ([resize()], "logits", "Resize", 17),
    "logits": ([], None, "", 17),
    "resize, sigmoid": ([resize(), SIGMOID], None, "Resize Sigmoid", 17),
    "resize, sigmoid, said": ([resize(), SIGMOID], "sigmoid", "Resize Sigmoid", 17),
    "resize, sigmoid, said otherwise": ([resize(), SIGMOID], "probabilities", "Resize Sigmoid", 17),
    "sigmoid, resize": ([SIGMOID, resize("align_corners")], None, "Resize", 17),
    "sigmoid": ([SIGMOID], None, "Sigmoid", 17),
    "sigmoid, nearest": (
        [SIGMOID, resize("asymmetric", "nearest", nearest_mode="floor")], None, "Sigmoid Resize", 17
    ),
    "another sigmoid": ([resize(), HARD], None, "", 17),
    "channels last": ([LAST, resize(constants=scales(8, 4, "nhwc")), SIGMOID], None, "Resize Sigmoid", 17),
    "no channel axis": ([resize(), SIGMOID, SQUEEZE], None, "Resize Sigmoid Squeeze", 17),
    "no channel axis, sigmoid behind": ([resize(), SQUEEZE, SIGMOID], None, "Resize Squeeze Sigmoid", 17),
    "no channel axis, sigmoid before": ([SIGMOID, resize(), SQUEEZE], None, "Resize Squeeze", 17),
    "no channel axis, taken by its place": (
        [resize(), SIGMOID, Op("Gather", {"axis": 1}, (np.int64(0),))], None, "", 17
    ),
    "no channel axis, channels last": (
        [LAST, resize(constants=scales(8, 4, "nhwc")), SIGMOID, Op("Squeeze", {}, (np.array([3]),))], None,
        "Resize Sigmoid Squeeze", 17,
    ),
    "no channel axis, opset 11": ([resize(constants=(np.empty(0, np.float32), scales(8)[1])), SIGMOID,
                                   Op("Squeeze", {"axes": [1]})], None, "Resize Sigmoid Squeeze", 11),
    "no channel axis, logits": ([resize(), SQUEEZE], None, "Resize Squeeze", 17),
    "a threshold as float": (
        [resize(), SIGMOID, Op("Sub", {}, (np.float32(0.5),)), Op("Sign"), Op("Relu")], None, "", 17
    ),
}  # fmt: skip


def run(path, shown):
    """The network's own output (h, w) for a picture that is not resized."""
    image = ((shown.pixels - np.array(DESCRIPTION["mean"])) / np.array(DESCRIPTION["std"])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})[0].squeeze()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", NETWORKS)
def test_labels_and_confidence_are_those_of_the_threshold(tmp_path, name, engine):
    pytest.importorskip(engine)
    operators, kind, replaced, opset = NETWORKS[name]
    description = BINARY | ({"output_kind": kind} if kind else {})
    path = write(tmp_path / "net.onnx", operators, channels=1, opset=opset, description=description)
    runner = open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))
    assert [one.split()[0] for one in runner.tail.cut] == replaced.split()
    assert "one channel" in runner.tail.layout
    shown = frame()
    own = run(path, shown)
    road = own if own.min() >= 0 and own.max() <= 1 else 1 / (1 + np.exp(-own))
    label_map = runner.segment([Frame(shown.pixels, "rgb", own.shape)], Request(confidence=True, scores=(1,)))[0]
    clear = np.abs(road - 0.5) > 1e-4
    assert clear.mean() > 0.99
    assert 0.1 < (road > 0.5).mean() < 0.9
    assert np.array_equal(label_map.labels[clear], (road > 0.5)[clear])
    assert np.abs(label_map.confidence / 255.0 - np.maximum(road, 1 - road)).max() < 0.01
    assert np.abs(label_map.scores[..., 0] - road).max() < 0.01


@pytest.mark.parametrize("kind", [None, "labels"])
@pytest.mark.parametrize("squeezed", [False, True])
def test_bool_is_labels(tmp_path, kind, squeezed):
    """A threshold inside the network."""
    above = Op("Greater", {}, (np.float32(0.5),))
    description = BINARY | ({"output_kind": kind} if kind else {})
    path = write(
        tmp_path / "net.onnx", [resize(), SIGMOID, above, *([SQUEEZE] if squeezed else [])], channels=1,
        description=description,
    )  # fmt: skip
    shown = frame()
    runner = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    assert runner.tail.kind == "labels"
    assert (runner.segment([shown])[0].labels == run(path, shown)).mean() > 0.9999


def test_bool_is_nothing_else(tmp_path):
    above = Op("Greater", {}, (np.float32(0),))
    path = write(tmp_path / "net.onnx", [above], channels=1, description=BINARY | {"output_kind": "sigmoid"})
    with pytest.raises(EngineError, match="output_kind is sigmoid, but its output is bool, which is labels 0 and 1"):
        adapted(path)


def test_a_mask_of_255_is_named(tmp_path):
    above = [
        Op("Greater", {}, (np.float32(0),)),
        Op("Cast", {"to": TensorProto.UINT8}),
        Op("Mul", {}, (np.uint8(255),)),
    ]
    with pytest.raises(EngineError, match="a mask of 0 and 255: export it without the factor 255, or as bool"):
        adapted(write(tmp_path / "net.onnx", above, channels=1, description=BINARY))


FLAT = Op("Softmax", {"axis": 1})
REFUSED = {
    "a softmax of one channel": ([FLAT], None, "1 to 1 .*: the same everywhere, as a softmax of one channel does"),
    "a sigmoid called logits": ([SIGMOID], "logits", "as logits no pixel would be class 0. Take output_kind: sigmoid"),
    "logits called sigmoid": ([], "sigmoid", "output_kind is sigmoid, but its one channel .* take output_kind: logits"),
    "NaN": ([Op("Sqrt")], None, "NaN or infinity"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_are_no_channel_of_a_class(tmp_path, name):
    operators, kind, problem = REFUSED[name]
    description = BINARY | ({"output_kind": kind} if kind else {})
    with pytest.raises(EngineError, match=problem):
        adapted(write(tmp_path / "net.onnx", operators, channels=1, description=description))


def test_one_channel_of_more_classes_is_refused(tmp_path):
    with pytest.raises(EngineError, match="is for a table of two classes, the background first"):
        adapted(write(tmp_path / "net.onnx", [SIGMOID], channels=1))


def test_the_file_alone_labels_as_the_engine(tmp_path):
    pytest.importorskip("openvino")
    shown = frame()
    for operators in ([resize(), SIGMOID], [resize()], [resize(), SIGMOID, SQUEEZE]):
        path = write(tmp_path / "net.onnx", operators, channels=1, description=BINARY)
        labels = alone(open_checkpoint(path), np.ascontiguousarray(shown.pixels[..., ::-1]), 1)()
        runner = open_engine("openvino", open_checkpoint(path), EngineOptions("cpu"))
        assert (labels == runner.segment([shown])[0].labels).mean() > 0.999


def test_quantize_and_info(tmp_path):
    """int8 keeps the labels of a network with one channel."""
    pytest.importorskip("nncf")
    path = write(tmp_path / "net.onnx", [resize(), SIGMOID], channels=1, description=BINARY)
    for kind in ("images", "labels"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for seed in range(4):
        coarse = cv2.resize(frame(seed=seed).pixels[::16, ::16], SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{seed}.png"), coarse)
        truth = (run(path, Frame(np.ascontiguousarray(coarse[..., ::-1]), "rgb")) > 0.5).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "data" / "labels" / f"{seed}.png"), truth)
    part = [{"images": "images", "labels": "labels"}]
    table = {"name": "its own", "classes": TABLE, "splits": {"train": part, "val": part}}
    (tmp_path / "data" / "dataset.yaml").write_text(yaml.safe_dump(table))
    words = ["--model", path, "--data", tmp_path / "data" / "dataset.yaml"]
    code, _, err = icnet("quantize", *words, "--images", 4, "--max-drop", 20)
    assert code == 0, err
    for precision in ("fp32", "int8"):
        figures = tmp_path / f"{precision}.json"
        code, _, err = icnet(
            "evaluate", *words, "--precision", precision, "--engine", "openvino", "--json", figures
        )  # fmt: skip
        assert code == 0, err
        assert json.loads(figures.read_text())["miou"] > (0.999 if precision == "fp32" else 0.9)
    code, out, _ = icnet("info", path)
    assert code == 0
    assert "probabilities, nchw, one channel" in out
