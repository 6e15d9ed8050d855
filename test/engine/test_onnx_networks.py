"""Networks that are not ICNet, in ONNX files: `model:=net.onnx`."""

import numpy as np
import pytest
import torch
import yaml
from networks import DESCRIPTION, Small, export, picture
from torch.nn import functional as F

from icnet_ros.checkpoint.file import load, open_checkpoint
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
