"""What follows the logits of a network is done by the engine, with the same result."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from tails import DESCRIPTION, SIZE, Op, computed, resize, scales, write

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.artefacts.adapter.proof import Agreement, worst
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.base import EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

ARGMAX = Op("ArgMax", {"axis": 1, "keepdims": 0})
SOFTMAX = Op("Softmax", {"axis": 1})
SIGMOID = Op("Sigmoid")
LAST = Op("Transpose", {"perm": [0, 2, 3, 1]})
OPSET11 = resize(constants=(np.empty(0, np.float32), scales(8)[1]))  # where the region is no optional input
FIRST = Op("Transpose", {"perm": [0, 3, 1, 2]})


def cast(to):
    return Op("Cast", {"to": to})


# name -> (operators after the logits, names of those that the engine replaces, further arguments of `write`)
CUT = {
    # bilinear, every rule, with scales, with the picture's size, with a constant size
    "half_pixel, scales": ([resize()], "Resize", {}),
    "pytorch_half_pixel, scales": ([resize("pytorch_half_pixel")], "Resize", {}),
    "align_corners, scales": ([resize("align_corners")], "Resize", {}),
    "asymmetric, scales": ([resize("asymmetric")], "Resize", {}),
    "half_pixel, computed": ([computed("half_pixel")], "Resize", {}),
    "pytorch_half_pixel, computed": ([computed("pytorch_half_pixel")], "Resize", {}),
    "align_corners, computed": ([computed("align_corners")], "Resize", {}),
    "asymmetric, computed": ([computed("asymmetric")], "Resize", {}),
    "half_pixel, constant": ([resize(constants=(None, None, np.array([1, 4, *SIZE])))], "Resize", {"size": SIZE}),
    "half_pixel, no whole ratio": ([computed("half_pixel")], "Resize", {"kernel": 16}),
    "pytorch_half_pixel, no whole ratio": ([computed("pytorch_half_pixel")], "Resize", {"kernel": 16}),
    "align_corners, no whole ratio": ([computed("align_corners")], "Resize", {"kernel": 16}),
    "asymmetric, no whole ratio": ([computed("asymmetric")], "Resize", {"kernel": 16}),
    "fewer pixels than logits": ([computed("half_pixel")], "Resize", {"head": [resize(constants=scales(2))]}),
    # versions of the operators
    "opset 11": ([OPSET11], "Resize", {"opset": 11}),
    "opset 13, softmax, argmax": ([resize(), SOFTMAX, ARGMAX], "Resize Softmax ArgMax", {"opset": 13}),
    "opset 18, axes": ([resize(constants=scales(8, 2), axes=[2, 3])], "Resize", {"opset": 18}),
    "opset 19, axes, policy stretch": (
        [resize(constants=(None, None, np.array(SIZE)), axes=[2, 3], keep_aspect_ratio_policy="stretch")],
        "Resize", {"opset": 19, "size": SIZE},
    ),
    "opset 21": ([resize("align_corners"), SOFTMAX], "Resize Softmax", {"opset": 21}),
    # nearest neighbours
    "nearest, floor": ([resize("asymmetric", "nearest", nearest_mode="floor")], "Resize", {}),
    "nearest, ceil": ([resize("asymmetric", "nearest", nearest_mode="ceil")], "Resize", {}),
    "nearest, prefer floor": ([resize("half_pixel", "nearest")], "Resize", {}),
    "nearest, prefer ceil": ([resize("half_pixel", "nearest", nearest_mode="round_prefer_ceil")], "Resize", {}),
    "nearest, corners": ([resize("align_corners", "nearest")], "Resize", {}),
    "nearest, no whole ratio": (
        [computed("asymmetric", "nearest", nearest_mode="floor")], "Resize", {"kernel": 16}
    ),
    "labels, nearest": (
        [ARGMAX, Op("Unsqueeze", {}, (np.array([1]),)), cast(TensorProto.FLOAT),
         resize("asymmetric", "nearest", nearest_mode="floor"), cast(TensorProto.INT32)],
        "ArgMax Unsqueeze Cast Resize Cast", {},
    ),
    "probabilities, nearest": ([SOFTMAX, resize("asymmetric", "nearest", nearest_mode="floor")], "Softmax Resize", {}),
    # what makes labels or probabilities
    "argmax": ([ARGMAX], "ArgMax", {}),
    "argmax, kept axis": ([Op("ArgMax", {"axis": 1})], "ArgMax", {}),
    "argmax of the last axis": ([LAST, Op("ArgMax", {"axis": -1, "keepdims": 0})], "ArgMax", {}),
    "argmax, int32": ([resize(), ARGMAX, cast(TensorProto.INT32)], "Resize ArgMax Cast", {}),
    "argmax, uint8": ([resize(), ARGMAX, cast(TensorProto.UINT8)], "Resize ArgMax Cast", {}),
    "argmax, kept and squeezed": (
        [resize(), Op("ArgMax", {"axis": 1}), Op("Squeeze", {}, (np.array([1]),))], "Resize ArgMax Squeeze", {}
    ),
    "argmax, reshaped": (
        [resize(), ARGMAX, Op("Reshape", {}, (np.array([1, 1, *SIZE]),))], "Resize ArgMax Reshape", {"size": SIZE}
    ),
    "argmax as float": (
        [resize(), ARGMAX, cast(TensorProto.FLOAT)], "Resize ArgMax Cast",
        {"description": DESCRIPTION | {"output_kind": "labels"}},
    ),
    "softmax": ([SOFTMAX], "Softmax", {}),
    "softmax behind": ([resize(), SOFTMAX], "Resize Softmax", {}),
    "softmax before": ([SOFTMAX, resize()], "Resize", {}),
    "softmax before, corners": ([SOFTMAX, resize("align_corners")], "Resize", {}),
    "softmax before, argmax": ([SOFTMAX, resize(), ARGMAX], "Resize ArgMax", {}),
    "softmax of the last axis": (
        [resize(), LAST, Op("Softmax", {"axis": -1}), FIRST], "Resize Transpose Softmax Transpose", {}
    ),
    "log softmax": ([resize(), Op("LogSoftmax", {"axis": 1})], "Resize LogSoftmax", {}),
    "log softmax before": ([Op("LogSoftmax", {"axis": 1}), resize()], "Resize", {}),
    "exp of log softmax": ([resize(), Op("LogSoftmax", {"axis": 1}), Op("Exp")], "Resize LogSoftmax Exp", {}),
    "log of softmax": ([resize(), SOFTMAX, Op("Log")], "Resize Softmax Log", {}),
    "softmax, clip": (
        [resize(), SOFTMAX, Op("Clip", {}, (np.float32(0), np.float32(1)))], "Resize Softmax Clip", {}
    ),
    "softmax, reshape": ([SOFTMAX, Op("Reshape", {}, (np.array([0, 0, 0, 0]),))], "Softmax Reshape", {}),
    "sigmoid": ([resize(), SIGMOID], "Resize Sigmoid", {"description": DESCRIPTION | {"output_kind": "logits"}}),
    "sigmoid, argmax": ([resize(), SIGMOID, ARGMAX], "Resize Sigmoid ArgMax", {}),
    "sigmoid before, argmax": ([SIGMOID, resize(), ARGMAX], "Resize ArgMax", {}),
    # layouts and types
    "channels last": ([LAST, resize(constants=scales(8, 4, "nhwc"))], "Resize", {}),
    "transposed behind": ([resize(), LAST], "Resize Transpose", {}),
    "transposed behind, softmax": ([resize(), LAST, Op("Softmax", {"axis": 3})], "Resize Transpose Softmax", {}),
    "cast to double": ([resize(), cast(TensorProto.DOUBLE)], "Resize Cast", {}),
    "identities": ([Op("Identity"), resize(), Op("Identity"), ARGMAX, Op("Identity")], "Resize ArgMax", {}),
    "two interpolations": ([resize(constants=scales(2)), resize(constants=scales(4))], "Resize", {}),
    "two interpolations, argmax": (
        [resize(constants=scales(4)), resize(constants=scales(2)), ARGMAX], "Resize ArgMax", {}
    ),
}  # fmt: skip
# name -> (operators, what is replaced nevertheless, a part of the reason, further arguments)
KEPT = {
    "no tail": ([], "", "not followed by an operator", {}),
    "cubic": ([resize(mode="cubic")], "", "Resize is cubic", {}),
    "antialias": ([resize(antialias=1)], "", "antialias", {"opset": 18}),
    "antialias, argmax": ([resize(antialias=1), ARGMAX], "ArgMax", "antialias", {"opset": 18}),
    "aspect policy": (
        [resize(constants=(None, None, np.array([128, 256])), axes=[2, 3], keep_aspect_ratio_policy="not_larger")],
        "", "keep_aspect_ratio_policy", {"opset": 18, "size": SIZE},
    ),
    "outside excluded": ([resize(mode="cubic", exclude_outside=1)], "", "exclude_outside", {}),
    "nearest, halves": ([computed("asymmetric", "nearest")], "", "float rounding", {"kernel": 16}),
    "symmetric half pixel": ([resize("half_pixel_symmetric")], "", "half_pixel_symmetric", {"opset": 19}),
    "crop": (
        [resize("tf_crop_and_resize", constants=(np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32), scales(8)[1]))],
        "", "tf_crop_and_resize", {},
    ),
    "twice as small": ([resize(constants=scales(4))], "", "Resize gives 144x80 for an input of 288x160", {}),
    "twice as small, softmax": ([resize(constants=scales(4)), SOFTMAX], "Softmax", "Resize gives 144x80", {}),
    "the last of equals": (
        [resize(), Op("ArgMax", {"axis": 1, "select_last_index": 1, "keepdims": 0})], "", "last of equal", {}
    ),
    "softmax of all before opset 13": (
        [OPSET11, SOFTMAX], "", "Softmax is not over the classes",
        {"opset": 11, "description": DESCRIPTION | {"output_kind": "logits"}},
    ),
    "clip that cuts": (
        [resize(), SOFTMAX, Op("Clip", {}, (np.float32(0), np.float32(0.6))), ARGMAX], "ArgMax", "Clip to 0..0.6", {}
    ),
    "twice softmax": ([resize(), SOFTMAX, SOFTMAX], "Softmax", "another activation", {}),
    "a factor": ([resize(), Op("Mul", {}, (np.float32(2),))], "", "not followed by", {}),
    "another activation": ([resize(), Op("Tanh"), ARGMAX], "ArgMax", "", {}),
    "logits as whole numbers": ([resize(), cast(TensorProto.INT32), cast(TensorProto.FLOAT)], "", "whole numbers", {}),
}  # fmt: skip


def picture(size=SIZE, seed=3):
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (size[0] // 16, size[1] // 16, 3)).astype(np.uint8)
    return np.ascontiguousarray(
        coarse.repeat(16, 0).repeat(16, 1) // 2 + generator.integers(0, 128, (*size, 3)).astype(np.uint8)
    )


def fed(rgb):
    mean, std = (np.array(DESCRIPTION[key], np.float32) for key in ("mean", "std"))
    return np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1)[None].astype(np.float32))


def whole(path, rgb):
    """What the file gives in its own runtime: (H, W) labels, or (H, W, classes)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    value = session.run(None, {"image": fed(rgb)})[0]
    if value.ndim == 4 and 4 in (value.shape[1], value.shape[3]):
        return value[0].transpose(1, 2, 0) if value.shape[1] == 4 else value[0]
    return value.squeeze()


def tail_of(path):
    return read_tail(onnx_file(open_checkpoint(path), "sub124"))


def names(tail):
    return " ".join(operator.split(" ")[0] for operator in tail.cut)


def same(labels, expected):
    """Whether labels are those of the network, but for pixels where its values are nearly equal."""
    if expected.ndim == 2:
        return (labels == expected).mean() >= 0.9999
    top = np.sort(expected.astype(np.float64), axis=2)
    clear = top[..., -1] - top[..., -2] > 1e-5
    return clear.mean() > 0.9 and np.array_equal(labels[clear], expected.argmax(2)[clear])


@pytest.mark.parametrize("name", CUT)
def test_the_engine_takes_the_tail(tmp_path, name):
    operators, replaced, more = CUT[name]
    path = write(tmp_path / "net.onnx", operators, **more)
    engine = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    assert names(engine.tail) == replaced
    assert engine.tail.equal >= 0.9999
    rgb = picture()
    label_map = engine.segment([Frame(rgb, "rgb")], Request(confidence=True, scores=(2,)))[0]
    expected = whole(path, rgb)
    if expected.shape[:2] == SIZE:
        assert same(label_map.labels, expected)
        assert len(np.unique(label_map.labels)) > 2
        assert same(engine.segment([Frame(rgb, "rgb")])[0].labels, expected)
    if "softmax" in name and "log" not in name and expected.shape == (*SIZE, 4):
        assert np.abs(label_map.confidence / 255.0 - expected.max(2)).max() < 0.003
        assert np.abs(label_map.scores[..., 0] - expected[..., 2]).max() < 1e-4


@pytest.mark.parametrize("name", KEPT)
def test_what_is_not_exact_stays(tmp_path, name):
    operators, replaced, reason, more = KEPT[name]
    path = write(tmp_path / "net.onnx", operators, **more)
    engine = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    assert names(engine.tail) == replaced
    assert reason in engine.tail.reason
    rgb = picture()
    labels, expected = engine.segment([Frame(rgb, "rgb")])[0].labels, whole(path, rgb)
    if expected.shape[:2] == SIZE:
        assert (labels == (expected if expected.ndim == 2 else expected.argmax(2))).mean() >= 0.9999


def test_a_tail_that_gives_other_labels_stays(tmp_path, monkeypatch, caplog):
    """The proof is a comparison of labels, whatever the graph says."""
    from icnet_ros.engine.artefacts.adapter import follow
    from icnet_ros.engine.tail import Interpolation

    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "cache"))  # another test has the same network
    monkeypatch.setattr(follow, "interpolation", lambda *rest: Interpolation("align_corners"))
    path = write(tmp_path / "net.onnx", [resize("half_pixel")])
    tail = tail_of(path)
    assert not tail.cut
    assert tail.reason.startswith("without Resize ")
    assert "of the labels are the same" in tail.reason
    assert "is run as it is" in caplog.text


def test_the_tail_of_a_network_in_fp16_is_cut_although_more_values_are_ties(tmp_path):
    """Its input and output stay fp32, as onnxconverter-common and ONNX Runtime write it."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = write(tmp_path / "net.onnx", [resize()])
    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)
    tail = tail_of(path)
    assert ("Resize" in tail.cut[0], tail.reason) == (True, "")


def test_a_proof_says_how_many_labels_differ_beyond_rounding():
    half, single = Agreement(0.9985, 0.0, half=True), Agreement(0.9985, 0.0, half=False)
    assert (half.proven, single.proven, Agreement(0.9999, 1e-5, half=True).proven) == (True, False, False)
    assert worst([half, Agreement(0.9999, 1e-5, half=True)]).other == 1e-5
    assert str(half) == "99.85% of the labels are the same, 0.00% differ beyond rounding"
