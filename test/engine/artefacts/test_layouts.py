"""Outputs whose axes are not 1 x classes x height x width: taken where that is clear, else said what they are."""

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import TensorProto, helper
from tails import CLASSES, DESCRIPTION, SIZE, Op, adapted, frame, resize, write

from icnet_ros.benchmark.networks.alone import alone
from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError, EngineOptions, Request
from icnet_ros.engine.table import open_engine

ARGMAX = Op("ArgMax", {"axis": 1, "keepdims": 0})
SOFTMAX = Op("Softmax", {"axis": 1})
LAST = Op("Transpose", {"perm": [0, 2, 3, 1]})
PIXELS = SIZE[0] * SIZE[1]


def squeeze(*axes):
    return Op("Squeeze", {}, (np.array(axes),))


def reshape(*shape):
    return Op("Reshape", {}, (np.array(shape),))


FIRST, SIGMOID = Op("Slice", {}, ([0], [1], [1])), Op("Sigmoid")
BINARY = DESCRIPTION | {"classes": {"name": "two", "classes": CLASSES["classes"][:2]}}
# name -> (operators, operators that the engine replaces, description)
TAKEN = {
    "labels h x w": ([resize(), ARGMAX, squeeze(0)], "Resize ArgMax Squeeze", DESCRIPTION),
    "labels h x w, not replaced": ([resize(), squeeze(0), Op("ArgMax", {"axis": 0, "keepdims": 0})], "", DESCRIPTION),
    "logits c x h x w": ([resize(), squeeze(0)], "Resize Squeeze", DESCRIPTION),
    "probabilities h x w x c": ([resize(), LAST, squeeze(0), Op("Softmax", {"axis": 2})],
                                  "Resize Transpose Squeeze Softmax", DESCRIPTION),
    "logits c x pixels": ([resize(), reshape(1, 4, PIXELS)], "", DESCRIPTION),
    "logits c x fewer pixels": ([resize(constants=(None, np.array([1, 1, 4, 4], np.float32))),
                                 reshape(1, 4, PIXELS // 4)], "", DESCRIPTION),
    "pixels x probabilities": (
        [resize(), LAST, reshape(1, PIXELS, 4), Op("Softmax", {"axis": 2})], "", DESCRIPTION
    ),
    "labels of pixels": ([resize(), ARGMAX, reshape(1, PIXELS)], "", DESCRIPTION),
    "sigmoid of pixels": ([resize(), FIRST, SIGMOID, reshape(1, PIXELS, 1)], "", BINARY),
    "sigmoid h x w": ([resize(), FIRST, SIGMOID, squeeze(0, 1)], "Sigmoid Squeeze", BINARY),
}  # fmt: skip


def run(path, shown):
    """The network's own labels for a picture that is not resized, (h, w)."""
    image = ((shown.pixels - np.array(DESCRIPTION["mean"])) / np.array(DESCRIPTION["std"])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    own = session.run(None, {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})[0].squeeze()
    if own.dtype == np.int64:
        return own.reshape(SIZE)
    if own.shape[0] == 2:
        return own.argmax(0)
    if 4 not in own.shape:
        return (own > 0.5).reshape(SIZE)
    return own.argmax(own.shape.index(4)).reshape(SIZE if own.size == 4 * PIXELS else (SIZE[0] // 2, SIZE[1] // 2))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", TAKEN)
def test_outputs_without_a_batch_or_with_pixels_in_one_axis(tmp_path, name, engine):
    pytest.importorskip(engine)
    operators, replaced, description = TAKEN[name]
    path = write(tmp_path / "net.onnx", operators, size=SIZE, description=description)
    runner = open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))
    assert [one.split()[0] for one in runner.tail.cut] == replaced.split()
    shown = frame()
    own = run(path, shown)
    label_map = runner.segment([shown], Request(confidence=True))[0]
    if own.shape == SIZE:
        assert (label_map.labels == own).mean() > 0.9999
    else:
        assert (label_map.labels[::2, ::2] == own).mean() > 0.9
    assert len(np.unique(own)) > 1


def test_the_file_alone_gives_the_same(tmp_path):
    pytest.importorskip("openvino")
    shown = frame()
    files = [
        write(tmp_path / f"{name}.onnx", TAKEN[name][0], size=SIZE)
        for name in ("labels h x w", "logits c x h x w", "logits c x pixels", "pixels x probabilities")
    ]
    files.append(write(tmp_path / "two.onnx", [resize(), squeeze(0)], size=SIZE, description=BINARY, channels=2))
    for path in files:
        labels = alone(open_checkpoint(path), np.ascontiguousarray(shown.pixels[..., ::-1]), 1)()
        assert (labels == run(path, shown)).mean() > 0.999


# name -> (operators, a part of the error, the size that the network takes)
EXPLAINED = {
    "pixels of any size": ([reshape(1, 4, -1)], "its pixels are in one axis: export before they are flattened", None),
    "labels as float": ([Op("ArgMax", {"axis": 1}), Op("Cast", {"to": TensorProto.FLOAT})],
                        "look like labels: add output_kind: labels", None),
    "masks of objects": ([reshape(4, 1, 16, 32)], "4 masks of objects are not a semantic map", SIZE),
    "boxes": ([reshape(1, 8, 256)], "boxes, or classes of queries, are not a semantic map", SIZE),
    "a size inside": ([resize(constants=(None, None, np.array([1, 4, 96, 160])))],
                      "160x96 for pictures of any size: a size inside it is fixed. Export it with a fixed", None),
    "rounded up": ([resize(constants=(None, None, np.array([1, 4, 104, 152])))],
                   "rounded up to multiples of 8. Export it at a size that is a multiple of 8", (100, 150)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_what_cannot_be_used_is_named(tmp_path, name):
    operators, problem, size = EXPLAINED[name]
    with pytest.raises(EngineError, match=problem):
        adapted(write(tmp_path / "net.onnx", operators, size=size))


@pytest.mark.parametrize(
    ("operators", "problem"),
    [
        ([reshape(1, 2, -1)], "its pixels are in one axis"),
        ([LAST, reshape(1, -1, 2)], "its pixels are in one axis"),
        ([ARGMAX, reshape(1, -1)], "its pixels are in one axis"),
        ([reshape(1, -1, 6)], "boxes, or classes of queries, are not a semantic map"),
    ],
)
def test_a_table_of_two_classes_explains_as_well(tmp_path, operators, problem):
    path = write(tmp_path / "net.onnx", [resize(constants=(None, np.array([1, 1, 3, 3], np.float32))), *operators],
                 description=BINARY, channels=2)  # fmt: skip
    with pytest.raises(EngineError, match=problem):
        adapted(path)


@pytest.mark.parametrize("output", [None, "masks"])
def test_masks_of_queries_are_named(tmp_path, output):
    """As of MaskFormer, even if there are as many queries as classes."""
    path = write(tmp_path / "net.onnx", [], size=SIZE)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION | ({"output": output} if output else {})))
    model = onnx.load(path)
    model.graph.node.extend([
        helper.make_node("Identity", ["out"], ["masks"]),
        helper.make_node("ReduceMean", ["out"], ["classes"], axes=[3], keepdims=0),
    ])  # fmt: skip
    del model.graph.output[:]
    for name, shape in (("masks", [1, 4, 16, 32]), ("classes", [1, 4, 16])):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="masks and classes are masks of queries and their classes, not a semant"):
        open_checkpoint(path)
