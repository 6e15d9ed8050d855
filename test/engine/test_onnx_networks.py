"""Networks that are not ICNet, in ONNX files: `model:=net.onnx`."""

import datetime as dt
import os

import numpy as np
import pytest
import torch
import yaml
from networks import DESCRIPTION, Small, export
from torch.nn import functional as F

from icnet_ros.checkpoint.file import load, load_spec, open_checkpoint
from icnet_ros.checkpoint.onnx_description import describe
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = onnx.helper
ENGINES = ["onnxruntime", "openvino"]
UINT8 = {"classes": DESCRIPTION["classes"], "channel_order": "rgb"}  # the rest is known: it normalises inside

# name -> (network, fixed size, dtype of the input, description)
INTERFACES = {
    "logits at 1/8": (Small(8), None, torch.float32, DESCRIPTION),
    "logits at 1/4, BGR, 0..255, corners aligned": (
        Small(4), None, torch.float32,
        DESCRIPTION | {"channel_order": "bgr", "value_range": 255, "mean": [104, 117, 123], "std": [58, 57, 57],
                       "align_corners": True, "size_multiple": 8},
    ),
    "one size": (Small(8), (96, 160), torch.float32, DESCRIPTION),
    "channels last": (Small(8, channels_last=True), None, torch.float32, DESCRIPTION),
    "probabilities": (Small(8, softmax=True), None, torch.float32, DESCRIPTION),
    "probabilities, channels last": (Small(8, softmax=True, channels_last=True), None, torch.float32, DESCRIPTION),
    "uint8, normalised inside": (Small(8, normalise=True), None, torch.uint8, UINT8),
}  # fmt: skip


def picture(height=120, width=200, seed=0):
    coarse = torch.rand(1, 3, 9, 14, generator=torch.Generator().manual_seed(seed))
    full = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return np.ascontiguousarray((255 * full)[0].permute(1, 2, 0).byte().numpy())


def reference(network, description, bgr, size):
    """Probabilities (3, H, W) in plain torch; size: of the network's input."""
    import cv2

    resized = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_LINEAR)
    image = torch.from_numpy(resized[..., ::-1].copy() if description["channel_order"] == "rgb" else resized)
    image = image.permute(2, 0, 1)[None].float()
    if network.normalise:
        image = image / 255 - 0.5
    else:
        mean, std = (torch.tensor(description[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        image = (image / 255 * description["value_range"] - mean) / std if description["value_range"] == 1 else (
            (image - mean) / std
        )  # fmt: skip
    with torch.no_grad():
        logits = network.logits(image)
        if network.softmax:
            logits = logits.softmax(1).log()
    corners = description.get("align_corners", False)
    return F.interpolate(logits, bgr.shape[:2], mode="bilinear", align_corners=corners)[0].softmax(0).numpy()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", INTERFACES)
def test_labels_and_confidence_are_those_of_the_network(tmp_path, name, engine):
    pytest.importorskip(engine)
    network, size, dtype, description = INTERFACES[name]
    path = export(network, tmp_path / "net.onnx", size=size, description=description, dtype=dtype)
    runner = open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))
    frames = [picture(), picture(90, 130, 1)]
    label_maps = runner.segment(
        [Frame(frames[0]), Frame(frames[1]), Frame(frames[0])], Request(confidence=True, scores=(1,))
    )
    multiple = description.get("size_multiple", 32)
    for bgr, label_map in zip([*frames, frames[0]], label_maps, strict=True):
        seen = size or [round(side / multiple) * multiple for side in bgr.shape[:2]]
        expected = reference(network, description, bgr, tuple(seen))
        top = np.sort(expected, axis=0)
        clear = top[-1] - top[-2] > 0.01
        assert clear.mean() > 0.8
        assert len(np.unique(expected.argmax(0))) > 1
        assert np.array_equal(label_map.labels[clear], expected.argmax(0)[clear])
        assert np.abs(label_map.confidence / 255.0 - top[-1]).max() < 0.01
        assert np.abs(label_map.scores[..., 0] - expected[1]).max() < 0.01
    runner.close()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", ["nhw", "n1hw"])
def test_argmax_inside(tmp_path, engine, layout):
    """Labels keep their places; a label that is no class is an error, not a label."""
    pytest.importorskip(engine)

    def network(highest, part=0.999):
        """Labels 0..`highest` by the red channel, at half size; the share `part` of a step has the highest one."""
        nodes = [
            helper.make_node("AveragePool", ["in"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Slice", ["small", "zero", "one", "one"], ["red"]),  # channel 0, axis 1
            helper.make_node("Mul", ["red", "factor"], ["scaled"]),
            helper.make_node("Floor", ["scaled"], ["floor"]),
            helper.make_node("Cast", ["floor"], ["ids"], to=onnx.TensorProto.INT32),
            helper.make_node(
                "Squeeze" if layout == "nhw" else "Identity", ["ids", "one"][: 1 + (layout == "nhw")], ["out"]
            ),
        ]
        constants = {
            "zero": np.array([0]), "one": np.array([1]), "factor": np.array((highest + part) / 255, np.float32),
        }  # fmt: skip
        tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(
            nodes, "g",
            [helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
            [helper.make_tensor_value_info("out", onnx.TensorProto.INT32, None)],
            tensors,
        )  # fmt: skip
        path = tmp_path / f"{highest}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
        description = DESCRIPTION | {"value_range": 255, "mean": [0, 0, 0], "std": [1, 1, 1], "size_multiple": 2}
        path.with_suffix(".yaml").write_text(yaml.safe_dump(description))
        return open_engine(engine, open_checkpoint(path), EngineOptions("cpu"))

    bgr = np.zeros((64, 96, 3), np.uint8)
    bgr[:, 32:64, 2], bgr[:, 64:, 2] = 128, 255
    label_map = network(2).segment([Frame(bgr)], Request(confidence=True))[0]
    assert np.array_equal(label_map.labels, np.repeat([[0, 1, 2]], 32, axis=1).repeat(64, axis=0))
    assert label_map.confidence[:, 10].min() == 255
    rare = network(3, 0.001)  # only where red is 255, as in no picture of noise
    assert rare.segment([Frame(bgr // 2)])[0].labels.max() == 1
    with pytest.raises(EngineError, match=r"gave NaN.*a label that is none of its 3 classes"):
        rare.segment([Frame(bgr)])
    with pytest.raises(EngineError, match=r"gives the label 3 for a picture of noise; the class table has 3 classes"):
        network(3)


def test_the_onnx_file_of_a_checkpoint_labels_as_the_checkpoint(tmp_path, tiny, model):
    from icnet_ros.engine.artefacts.export import onnx_file

    exported = onnx.load(onnx_file(load(model), "sub124"))
    describe(exported, tiny.spec)
    onnx.save(exported, tmp_path / "tiny.onnx")
    runner = open_engine("onnxruntime", open_checkpoint(tmp_path / "tiny.onnx"), EngineOptions("cpu"))
    expected = open_engine("onnxruntime", load(model), EngineOptions("cpu"))
    for height, width in ((96, 128), (101, 133)):
        frame = Frame(picture(height, width))
        assert np.array_equal(runner.segment([frame])[0].labels, expected.segment([frame])[0].labels)


def test_tensors_in_another_file(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    expected = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([Frame(picture())])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    before = open_checkpoint(path)
    runner = open_engine("onnxruntime", before, EngineOptions("cpu"))
    assert np.array_equal(runner.segment([Frame(picture())])[0].labels, expected[0].labels)
    data = bytearray((tmp_path / "net.data").read_bytes())
    data[100] ^= 1
    (tmp_path / "net.data").write_bytes(data)
    assert open_checkpoint(path).sha256 != before.sha256  # so nothing old is taken from the cache


def move_outside(path, location):
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save(model, path)


def test_a_damaged_file_of_tensors_is_explained(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    (tmp_path / "net.data").write_bytes(b"short")
    with pytest.raises((CheckpointError, EngineError), match=r"net\.onnx: "):
        open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))


def test_the_classes_of_another_file_are_part_of_the_identity(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"classes": "mine.yaml"})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(DESCRIPTION["classes"]))
    before = open_checkpoint(path)
    assert before.spec.classes.names == ("road", "car", "sky")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(DESCRIPTION["classes"]).replace("sky", "air"))
    assert open_checkpoint(path).sha256 != before.sha256


@pytest.mark.parametrize("location", ["../net.data", "/etc/hostname", "linked.data", "nowhere.data"])
def test_tensors_outside_the_folder_are_refused(tmp_path, location):
    folder = tmp_path / "in"
    folder.mkdir()
    path = export(Small(), folder / "net.onnx", description=DESCRIPTION)
    move_outside(path, location)
    (tmp_path / "net.data").write_bytes((folder / "net.data").read_bytes())
    (folder / "linked.data").symlink_to(tmp_path / "net.data")
    with pytest.raises(CheckpointError, match=r"outside its folder|not beside it"):
        open_checkpoint(path)


def test_what_is_missing_is_asked_for_in_one_message(tmp_path):
    path = export(Small(), tmp_path / "net.onnx")
    with pytest.raises(
        CheckpointError, match="nothing says its classes, channel_order, value_range, mean, std"
    ) as said:
        load_spec(path)
    assert "write net.yaml beside it" in str(said.value)
    written = yaml.safe_load(str(said.value).split("\n", 1)[1])  # the example is a description that works
    path.with_suffix(".yaml").write_text(yaml.safe_dump(written | {"classes": DESCRIPTION["classes"]}))
    assert load_spec(path).mean == pytest.approx((123.675, 116.28, 103.53))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"channel_order": "grb"}, "channel_order is 'grb'"),
        ({"value_range": 2}, "value_range is 2, not 1 or 255"),
        ({"mean": [1, 2]}, "mean"),
        ({"mean": "x"}, "mean or std are not three numbers"),
        ({"std": [0, 1, 1]}, "std is"),
        ({"std": [float("nan"), 1, 1]}, "finite"),
        ({"classes": "nowhere"}, "no class table 'nowhere'"),
        ({"classes": {"name": "x"}}, "not a class table"),
        ({"output_kind": "boxes"}, "output_kind is 'boxes', not one of logits, probabilities, sigmoid, labels"),
        ({"output": "boxes"}, "no output 'boxes'; it has answer"),
        ({"input": "image"}, "its input is 'picture'"),
        ({"colour": "rgb"}, "unknown entry 'colour'"),
        ({"size_multiple": 0}, "size_multiple is 0"),
    ],
)
def test_a_wrong_description(tmp_path, change, problem):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | change)
    with pytest.raises(CheckpointError, match=problem) as said:
        open_checkpoint(path)
    assert str(tmp_path) in str(said.value)


def test_a_uint8_network_with_a_normalisation(tmp_path):
    path = export(Small(8, normalise=True), tmp_path / "net.onnx", description=DESCRIPTION, dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="normalises inside: leave out value_range, mean, std"):
        open_checkpoint(path)


def test_as_many_classes_as_columns(tmp_path):
    """32 classes, a map 32 wide: the output alone does not say which side the classes are."""
    classes = {"name": "many", "classes": [{"name": f"c{k}", "colour": [k, k, k]} for k in range(32)]}
    network = Small(8)
    network.last = torch.nn.Conv2d(8, 32, 1)
    path = export(network, tmp_path / "net.onnx", description=DESCRIPTION | {"classes": classes})
    runner = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    labels = runner.segment([Frame(picture())])[0].labels
    expected = reference(network, DESCRIPTION, picture(), (128, 192)).argmax(0)
    assert (labels == expected).mean() > 0.98


def test_a_date_in_the_description_is_text(tmp_path):
    """YAML reads dates, headers and JSON have none."""
    training = {"date": dt.date(2026, 5, 1), "steps": 3}
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"training": training})
    spec = open_checkpoint(path).spec
    assert spec.training == {"date": "2026-05-01", "steps": 3}
    assert "2026-05-01" in spec.to_json()


def test_a_class_table_of_another_network(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"classes": "camvid"})
    with pytest.raises(EngineError, match="its output is 1 x 3 x 16 x 32; logits of 11 classes are 1 x 11"):
        open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))


def test_files_that_are_no_network(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"not an ONNX file|opset|inputs|nothing says|operator"):
            open_checkpoint(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint(path)


@pytest.mark.parametrize(("domain", "operator"), [("nowhere", "Magic"), ("", "Magic"), ("com.microsoft", "FusedConv")])
def test_custom_operators_are_refused(tmp_path, domain, operator):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    model = onnx.load(path)
    model.graph.node[0].op_type, model.graph.node[0].domain = operator, domain
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=f"{operator}' is not part of ONNX"):
        open_checkpoint(path)


def test_what_an_onnx_network_cannot_do(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", size=(96, 160), description=DESCRIPTION)
    checkpoint = open_checkpoint(path)
    for engine, options, problem in (
        ("torch", EngineOptions("cpu"), "runs .safetensors checkpoints only"),
        ("onnxruntime", EngineOptions("cpu", exit="sub24"), "net has no exit sub24; it has sub124"),
        ("onnxruntime", EngineOptions("cpu", scale=0.5), "takes 160x96 only"),
        ("onnxruntime", EngineOptions("cpu", "int8"), "icnet quantize"),
    ):
        with pytest.raises((EngineError, CheckpointError), match=problem):
            open_engine(engine, checkpoint, options)
    with pytest.raises(CheckpointError, match=r"only a \.safetensors checkpoint has weights"):
        load(path)
    automatic = open_engine("auto", checkpoint, EngineOptions("cpu", exit="auto"))
    assert automatic.segment([Frame(picture())])[0].labels.shape == (120, 200)
