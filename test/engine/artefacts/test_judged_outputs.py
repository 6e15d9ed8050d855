"""What a network's output is, and where, is judged by what it gives."""

import numpy as np
import onnxruntime
import pytest
from tails import DESCRIPTION, SIZE, Op, adapted, frame, resize, write

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.artefacts.adapter.probe import check_places
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

SQUARE = (160, 160)
ARGMAX = Op("ArgMax", {"axis": 1, "keepdims": 0})


SLICE = ([0, 0], [8, 8], [2, 3])
# name -> (operators, a part of the error, the size that the network takes)
MISPLACED = {
    "height and width exchanged": ([Op("Transpose", {"perm": [0, 1, 3, 2]})], "height and width are exchanged", None),
    "exchanged, labels": (
        [Op("Transpose", {"perm": [0, 1, 3, 2]}), ARGMAX], "height and width are exchanged", None
    ),
    "exchanged, square": ([Op("Transpose", {"perm": [0, 1, 3, 2]})], "turned, mirrored or cropped", SQUARE),
    "exchanged and enlarged, square": (
        [Op("Transpose", {"perm": [0, 1, 3, 2]}), resize()], "turned, mirrored or cropped", SQUARE
    ),
    "mirrored": ([Op("Slice", {}, ([-1], [-9999], [3], [-1]))], "turned, mirrored or cropped", None),
    "upside down": ([Op("Slice", {}, ([-1], [-9999], [2], [-1]))], "turned, mirrored or cropped", None),
    "turned by half": (
        [Op("Slice", {}, ([-1, -1], [-9999, -9999], [2, 3], [-1, -1]))], "turned, mirrored or cropped", None
    ),
    "a fixed crop": ([Op("Slice", {}, SLICE)], "8x8 for pictures of any size: a size inside it is fixed", None),
    "a fixed crop, one size": ([Op("Slice", {}, SLICE)], "a part of it, or of another shape", (128, 256)),
    "a crop of the middle, square": (
        [Op("Slice", {}, ([5, 5], [15, 15], [2, 3]))], "turned, mirrored or cropped", SQUARE
    ),
    "a global pooling": ([Op("GlobalAveragePool")], "too coarse .* global pooling", None),
    "a global pooling, spread": (
        [Op("GlobalAveragePool"), Op("Expand", {}, ([1, 4, *SQUARE],))], "the same at every pixel", SQUARE
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISPLACED)
def test_an_output_that_is_not_where_the_picture_is(tmp_path, name):
    operators, problem, size = MISPLACED[name]
    path = write(tmp_path / "net.onnx", operators, size=size)
    with pytest.raises(EngineError, match=problem):
        adapted(path)


@pytest.mark.parametrize("stride", [1, 4, 8, 32])
@pytest.mark.parametrize("size", [None, SQUARE, (96, 480)])
def test_one_that_is_is_taken(tmp_path, stride, size):
    assert adapted(write(tmp_path / "net.onnx", [], size=size, stride=stride)).is_file()


THRESHOLD = [Op("ReduceSum", {"keepdims": 1}, (np.array([1]),)), Op("Greater", {}, (np.float32(0),))]


def halo(width):
    """A blur that lets a change reach `width` pixels further."""
    return Op("AveragePool", {"kernel_shape": [2 * width + 1] * 2, "pads": [width] * 4})


@pytest.mark.parametrize("blur", [[], [halo(3)]])
@pytest.mark.parametrize("turn", [[], [Op("Slice", {}, ([-1], [-9999], [3], [-1]))]])
def test_places_of_labels(tmp_path, blur, turn):
    """Labels change at the edges of the patch, which lies near the border: they are where they should be."""
    path = write(tmp_path / "net.onnx", [*blur, *THRESHOLD, *turn], stride=4)
    if not turn:
        assert adapted(path).is_file()
        return
    with pytest.raises(EngineError, match="turned, mirrored or cropped"):
        adapted(path)


RING = np.zeros((64, 64, 1), np.int64)
RING[3:29, 36:] = 1  # between 0.05 and 0.45 of the rows: what labels do around a patch that saturates
RING[9:18, 44:60] = 0


@pytest.mark.parametrize("labels", [RING, 255 * RING])
def test_a_ring_around_the_patch(labels):
    """What is near the border does not count twice, and labels do not count by their ids."""
    nothing = np.zeros_like(labels)
    noise = (np.random.default_rng(0).random(labels.shape) < 0.01).astype(np.int64)
    check_places("net", nothing + noise, np.maximum(labels, noise), True)
    with pytest.raises(EngineError, match="turned, mirrored or cropped"):
        check_places("net", noise, np.maximum(labels[:, ::-1], noise), True)


def test_a_network_whose_every_pixel_depends_on_the_picture(caplog):
    """Nobody can see where its output lies: that is said, and no reason to refuse it."""
    generator = np.random.default_rng(0)
    before = generator.normal(size=(40, 60, 3))
    after = before + generator.normal(size=(40, 60, 3))
    check_places("net", before, after, False)
    assert not caplog.records
    after[8] = before[8]
    after[:20, 30:] = before[:20, 30:]
    check_places("net", before, after, False)
    assert "depends on the whole picture" in caplog.text


EXP = [Op("Exp"), Op("Mul", {}, (np.float32(1),))]
OTHER = {"output_kind": "logits"}
# name -> (operators, output_kind, a part of the error)
MEANINGLESS = {
    "sigmoid": ([resize(), Op("Sigmoid")], None, "add output_kind to its .yaml"),
    "hard sigmoid": ([Op("HardSigmoid")], None, "add output_kind to its .yaml"),
    "clipped": ([Op("Clip", {}, (np.float32(0), np.float32(1)))], None, "add output_kind to its .yaml"),
    "logits called probabilities": ([], "probabilities", "output_kind is probabilities, but .* it gives values of -"),
    "sigmoids called probabilities": ([Op("Sigmoid")], "probabilities", "Take output_kind: logits or sigmoid"),
    "sigmoids called labels": (
        [Op("Slice", {}, ([0], [1], [1])), Op("Sigmoid")], "labels", "which is no whole number"
    ),
    "logits called sigmoid": ([], "sigmoid", "output_kind is sigmoid, but .* it gives values of -"),
    "label -1": ([ARGMAX, Op("Sub", {}, (np.int64(1),))], None, "gives the label -1 .* 4 classes, 0 to 3"),
    "label 255": ([ARGMAX, Op("Mul", {}, (np.int64(85),))], None, "gives the label (85|170|255) "),
    "label 255, mirrored": (
        [ARGMAX, Op("Mul", {}, (np.int64(85),)), Op("Slice", {}, ([-1], [-9999], [2], [-1]))], None,
        "gives the label (85|170|255) ",
    ),
    "-inf": (
        [Op("Add", {}, (np.array([0, 0, 0, -np.inf], np.float32).reshape(1, 4, 1, 1),))], None,
        "NaN or infinity .* instead of -inf for classes that it never gives, take -1e4",
    ),
    "NaN": ([Op("Sqrt")], None, "NaN or infinity for a picture of noise"),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGLESS)
def test_values_that_are_not_what_is_said(tmp_path, name):
    operators, kind, problem = MEANINGLESS[name]
    description = DESCRIPTION | ({"output_kind": kind} if kind else {})
    path = write(tmp_path / "net.onnx", operators, description=description)
    with pytest.raises(EngineError, match=problem):
        adapted(path)


# Softmax in forms that the graph does not name, or followed by something: name -> operators
PROBABILITIES = {
    "softmax, clip": [Op("Softmax", {"axis": 1}), Op("Clip")],
    "softmax, resize": [Op("Softmax", {"axis": 1}), resize()],
    "softmax, reshape": [Op("Softmax", {"axis": 1}), Op("Reshape", {}, ([0, 0, 0, 0],))],
    "softmax, resize, cubic": [Op("Softmax", {"axis": 1}), Op("Identity"), Op("Mul", {}, (np.float32(1),))],
    "exp of log softmax": [Op("LogSoftmax", {"axis": 1}), Op("Exp")],
    "sigmoid of two": [Op("Softmax", {"axis": 1}), Op("Max", {}, (np.float32(1e-9),))],
    "L1": [Op("Exp"), Op("LpNormalization", {"axis": 1, "p": 1})],
}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_are_known_by_their_values(tmp_path, name, engine):
    """Confidence and groups are those of a softmax, whatever follows it."""
    pytest.importorskip(engine)
    (tmp_path / "groups.yaml").write_text(
        "{name: g, groups: [{name: one, colour: [0, 255, 0], classes: [a]}], rest: {name: others, colour: [9, 9, 9]}}"
    )
    path = write(tmp_path / "net.onnx", PROBABILITIES[name], opset=18)
    runner = open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))
    assert runner.tail.kind == "probabilities"
    shown = frame()
    label_map = runner.segment([shown], Request(confidence=True, scores=(0,)))[0]
    grouped = open_engine(
        engine, open_checkpoint(path), EngineOptions("cpu", label_groups=str(tmp_path / "groups.yaml"))
    )
    groups = grouped.segment([shown])[0].labels
    image = ((shown.pixels - np.array(DESCRIPTION["mean"])) / np.array(DESCRIPTION["std"])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    own = session.run(None, {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})[0][0]
    if own.shape[1:] == SIZE:
        assert np.abs(label_map.confidence / 255.0 - own.max(0)).max() < 0.01
        clear = np.abs(own[0] - 0.5) > 0.01
        assert np.array_equal((groups == 0)[clear], (own[0] > 0.5)[clear])
    else:  # at 1/8: compared at the logits' own places
        low = runner.segment([Frame(shown.pixels, "rgb", own.shape[1:])], Request(confidence=True))[0]
        assert np.abs(low.confidence / 255.0 - own.max(0)).max() < 0.01
    assert 0 < (groups == 0).mean() < 1


@pytest.mark.parametrize(
    "operators", [[Op("Sigmoid")], [resize(), Op("Sigmoid")], [Op("Mul", {}, (np.float32(80),)), Op("Sigmoid")]]
)
@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_a_sigmoid_for_each_class(tmp_path, operators, kind):
    """Labels are those of the largest value, confidence that of a softmax of the values before; saturated or not."""
    path = write(tmp_path / "net.onnx", operators, description=DESCRIPTION | {"output_kind": kind})
    runner = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    saturated = operators[0].name == "Mul"
    assert ("Sigmoid" in runner.tail.cut) == (not saturated)
    shown = frame()
    image = ((shown.pixels - np.array(DESCRIPTION["mean"])) / np.array(DESCRIPTION["std"])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    own = session.run(None, {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})[0][0]
    label_map = runner.segment([Frame(shown.pixels, "rgb", own.shape[1:])], Request(confidence=True))[0]
    # Saturated, 1 and the next smaller number are apart by the rounding of the normalisation.
    assert (label_map.labels == own.argmax(0)).mean() > (0.99 if saturated else 0.9999)
    own = np.clip(own.astype(np.float64), 1e-7, 1 - 1e-7)
    odds = own / (1 - own)
    if not saturated:
        assert np.abs(label_map.confidence / 255.0 - odds.max(0) / odds.sum(0)).max() < 0.01
