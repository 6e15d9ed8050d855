"""Normalisation inside a network is recognised, so that nothing is asked for or applied twice."""

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from networks import picture
from onnx import TensorProto, helper
from tails import CLASSES, SIZE, Op, write

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.checkpoint.onnx_file import read_onnx
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine

MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
BARE = {"classes": CLASSES, "channel_order": "rgb"}


def planes(values):
    return np.asarray(values, np.float32).reshape(1, 3, 1, 1)


def sub(values):
    return Op("Sub", {}, (values,))


def div(values):
    return Op("Div", {}, (values,))


def mul(values):
    return Op("Mul", {}, (values,))


def clip(lowest, highest):
    return Op("Clip", {}, (np.float32(lowest), np.float32(highest)))


# name -> (operators before the first layer, value_range, mean and std of pixels 0..255, further arguments)
HEADS = {
    "by 255, mean, std": ([div(np.float32(255)), sub(planes(MEAN)), div(planes(STD))], 255, 255 * MEAN, 255 * STD, {}),
    "mean, std of 0..1": ([sub(planes(MEAN)), div(planes(STD))], 1, 255 * MEAN, 255 * STD, {}),
    "mean, std of 0..255": ([sub(planes(255 * MEAN)), div(planes(255 * STD))], 255, 255 * MEAN, 255 * STD, {}),
    "a factor and an offset": (
        [mul(planes(1 / STD)), Op("Add", {}, (planes(-MEAN / STD),))], 1, 255 * MEAN, 255 * STD, {}
    ),
    "only the mean": ([sub(planes([123.7, 116.8, 103.9]))], 255, [123.7, 116.8, 103.9], [1, 1, 1], {}),
    "only by 255": ([mul(np.float32(1 / 255))], 255, [0, 0, 0], [255, 255, 255], {}),
    "-1 to 1": ([div(np.float32(127.5)), sub(np.float32(1))], 255, [127.5] * 3, [127.5] * 3, {}),
    "-1 to 1 of 0..1": ([mul(np.float32(2)), sub(np.float32(1))], 1, [127.5] * 3, [127.5] * 3, {}),
    "through uint8": (
        [Op("Cast", {"to": TensorProto.UINT8}), Op("Cast", {"to": TensorProto.FLOAT}), sub(planes(255 * MEAN)),
         div(planes(255 * STD))], 255, 255 * MEAN, 255 * STD, {},
    ),
    "channels last": (
        [sub(MEAN), div(STD)], 1, 255 * MEAN, 255 * STD, {"layout": "nhwc"}
    ),
    "swapped by Gather, then normalised": (
        [Op("Gather", {"axis": 1}, (np.array([2, 1, 0]),)), sub(planes(MEAN)), div(planes(STD))], 1,
        255 * MEAN[::-1], 255 * STD[::-1], {},
    ),
    "normalised, then swapped by Slice": (
        [sub(planes(MEAN)), div(planes(STD)), Op("Slice", {}, ([-1], [-9], [1], [-1]))], 1, 255 * MEAN, 255 * STD, {},
    ),
    "clipped to 0..1": ([clip(0, 1), sub(planes(MEAN)), div(planes(STD))], 1, 255 * MEAN, 255 * STD, {}),
    "clipped to 0..255": (
        [clip(0, 255), div(np.float32(255)), sub(planes(MEAN)), div(planes(STD))], 255, 255 * MEAN, 255 * STD, {}
    ),
    "by 255, clipped": (
        [div(np.float32(255)), clip(0, 1), sub(planes(MEAN)), div(planes(STD))], 255, 255 * MEAN, 255 * STD, {}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_normalisation_inside_is_neither_asked_for_nor_done_twice(tmp_path, name):
    operators, value_range, mean, std, more = HEADS[name]
    path = write(tmp_path / "net.onnx", [], head=operators, description=BARE, **more)
    network = read_onnx(path)
    assert network.head.value_range == value_range
    assert network.head.mean == pytest.approx(tuple(mean), abs=0.02)
    assert network.head.std == pytest.approx(tuple(std), rel=1e-3)
    assert network.head.swapped == ("swapped" in name)
    assert network.spec.mean == (0, 0, 0)
    assert network.spec.std == (255 / value_range,) * 3
    # With the description of the training the result is the same.
    said = {"value_range": 1, "mean": [v / 255 for v in map(float, mean)], "std": [v / 255 for v in map(float, std)]}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(BARE | said))
    assert read_onnx(path).spec == network.spec
    rgb = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    engine = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    labels = engine.segment([Frame(rgb, "rgb", SIZE)])[0].labels
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = rgb[None].astype(np.float32) / (255 / value_range)
    image = image if more.get("layout") == "nhwc" else np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    own = session.run(None, {"image": image})[0][0].argmax(0)
    assert (labels[4::8, 4::8] == own).mean() > 0.5  # at the centres; interpolated elsewhere
    assert len(np.unique(own)) > 1


def take(way, place, axis, value, number):
    """Nodes and constants that take a channel of `value`, as exporters write it; the last one gives `part{place}`."""
    names = [f"{part}{number}" for part in ("from", "to", "axis", "index", "whole")]
    given = {names[0]: [place], names[1]: [place + 1], names[2]: [axis]}
    if way == "slices":
        return [helper.make_node("Slice", [value, *names[:3]], [f"part{number}"])], given
    if way == "one-element gathers":
        return [helper.make_node("Gather", [value, names[0]], [f"part{number}"], axis=axis)], given
    index = {names[3]: place - 3, names[2]: [axis]}
    return [
        helper.make_node("Gather", [value, names[3]], [names[4]], axis=axis),
        helper.make_node("Unsqueeze", [names[4], names[2]], [f"part{number}"]),
    ], index


@pytest.mark.parametrize("order", [[2, 1, 0], [1, 2, 0]])
@pytest.mark.parametrize("way", ["slices", "one-element gathers", "gathers"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_channels_that_are_taken_one_by_one(tmp_path, layout, way, order):
    """As Keras' preprocessing for caffe: BGR of 0..255 minus a mean. Another order is no reversal."""
    axis = 1 if layout == "nchw" else 3
    mean = np.array([103.939, 116.779, 123.68], np.float32)
    path = write(tmp_path / "net.onnx", [], head=[sub(planes(mean) if axis == 1 else mean)], description=BARE,
                 layout=layout)  # fmt: skip
    model = onnx.load(path)
    nodes = []
    for number, place in enumerate(order):
        made, constants = take(way, place, axis, "image", number)
        nodes += made
        model.graph.initializer.extend(
            [onnx.numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()]
        )
    nodes.append(helper.make_node("Concat", ["part0", "part1", "part2"], ["joined"], axis=axis))
    model.graph.node[0].input[0] = "joined"
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    if way == "slices" and order == [2, 1, 0]:
        beside = onnx.load(path)
        beside.graph.node.append(helper.make_node("Identity", ["image"], ["skip"]))
        beside.graph.output.append(helper.make_tensor_value_info("skip", TensorProto.FLOAT, None))
        onnx.save(beside, tmp_path / "beside.onnx")
        (tmp_path / "beside.yaml").write_text(yaml.safe_dump(BARE | {"output": "out"}))
        with pytest.raises(CheckpointError, match="nothing says its value_range, mean, std"):
            read_onnx(tmp_path / "beside.onnx")
    if order != [2, 1, 0]:
        with pytest.raises(CheckpointError, match="nothing says its value_range, mean, std"):
            read_onnx(path)
        return
    network = read_onnx(path)
    assert network.head.swapped
    assert network.head.value_range == 255
    assert network.head.mean == pytest.approx(tuple(mean[::-1]), abs=0.01)
    assert open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([Frame(picture())])


@pytest.mark.parametrize(
    ("operators", "missing"),
    [
        ([], "value_range, mean, std"),
        ([clip(0, 6), div(np.float32(255))], "value_range, mean, std"),
        ([clip(0.5, 1), sub(planes(MEAN))], "value_range, mean, std"),
        ([Op("Relu"), div(np.float32(255))], "value_range, mean, std"),
        ([mul(planes([1, -1, 1]))], "value_range, mean, std"),
        ([sub(np.zeros((1, 1, 1, 8), np.float32))], "value_range, mean, std"),
        ([mul(np.float32(30))], "value_range"),  # it normalises, but of what range?
    ],
)
def test_what_is_no_normalisation_is_asked_for(tmp_path, operators, missing):
    more = {"size": (8, 8)} if operators and operators[0].name == "Sub" else {}
    path = write(tmp_path / "net.onnx", [], head=operators, description=BARE, **more)
    with pytest.raises(CheckpointError, match=f"nothing says its {missing}: write net.yaml"):
        read_onnx(path)


def test_a_contradiction_is_an_error(tmp_path):
    head = [div(np.float32(255)), sub(planes(MEAN)), div(planes(STD))]
    given = {"value_range": 1, "mean": [0, 0, 0], "std": [1, 1, 1]}
    path = write(tmp_path / "net.onnx", [], head=head, description=BARE | given)
    with pytest.raises(
        CheckpointError, match=r"value_range is 1, but the network itself normalises values of 0\.\.255"
    ):
        read_onnx(path)


def test_another_normalisation_before_is_applied(tmp_path):
    given = {"value_range": 255, "mean": [100, 100, 100], "std": [1, 1, 1]}
    path = write(tmp_path / "net.onnx", [], head=[mul(np.float32(1 / 60))], description=BARE | given)
    assert read_onnx(path).spec.mean == (100, 100, 100)


@pytest.mark.parametrize("swap", [[], [Op("Gather", {"axis": 1}, (np.array([2, 1, 0]),))]])
@pytest.mark.parametrize("order", [1, -1])
def test_the_mean_of_a_network_that_swaps_the_channels(tmp_path, swap, order):
    """It may be written in the order of the input or in that of the training: it is what the network does itself."""
    head = [*swap, sub(planes(MEAN)), div(planes(STD))]
    given = {"value_range": 1, "mean": MEAN[::order].tolist(), "std": STD[::order].tolist(), "channel_order": "bgr"}
    network = read_onnx(write(tmp_path / "net.onnx", [], head=head, description=BARE | given))
    assert network.spec.mean == (0, 0, 0)
    assert network.spec.std == (255, 255, 255)


USUAL = {"mean": MEAN.tolist(), "std": STD.tolist()}
OF_255 = {"mean": (255 * MEAN).tolist(), "std": (255 * STD).tolist()}
ONES = {"std": [1, 1, 1]}


@pytest.mark.parametrize(
    ("given", "right"),
    [
        (USUAL | {"value_range": 255}, 1),
        (OF_255 | {"value_range": 1}, 255),
        (OF_255 | ONES | {"value_range": 1}, 255),
        (USUAL | ONES | {"value_range": 255}, 1),
        ({"mean": [0.5] * 3, "std": [0.5] * 3, "value_range": 255}, 1),
        ({"mean": [127.5] * 3, "std": [127.5] * 3, "value_range": 1}, 255),
        ({"mean": [0] * 3, "std": [255] * 3, "value_range": 1}, 255),
    ],
)
def test_a_value_range_that_gives_numbers_of_no_image(tmp_path, given, right):
    path = write(tmp_path / "net.onnx", [], description=BARE | given)
    with pytest.raises(CheckpointError, match=f"which no image has: mean and std are those of value_range: {right}"):
        read_onnx(path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(BARE | given | {"value_range": right}))
    assert read_onnx(path)


def test_a_second_normalisation_gives_numbers_of_no_image(tmp_path, caplog):
    head = [sub(planes(MEAN)), div(planes(STD))]
    given = {"value_range": 1, "mean": [0.2] * 3, "std": [0.2] * 3}
    assert read_onnx(write(tmp_path / "net.onnx", [], head=head, description=BARE | given))
    assert "which no image has: compare value_range, mean and std" in caplog.text


@pytest.mark.parametrize(
    ("mean", "std", "value_range"),
    [
        ([0] * 3, [1] * 3, 255),
        ([0] * 3, [1] * 3, 1),
        ([104, 117, 124], [1] * 3, 255),
        ([127.5] * 3, [127.5] * 3, 255),
        ([0.5] * 3, [0.5] * 3, 1),
        ([124, 117, 104], [1 / 0.0167] * 3, 255),
        ([128] * 3, [1] * 3, 255),
    ],
)
def test_usual_numbers_are_taken_without_a_word(tmp_path, caplog, mean, std, value_range):
    given = {"value_range": value_range, "mean": mean, "std": std}
    assert read_onnx(write(tmp_path / "net.onnx", [], description=BARE | given))
    assert not caplog.records
