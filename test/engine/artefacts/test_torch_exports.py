"""Tails as torch's two exporters write them."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from tails import DESCRIPTION, SIZE
from torch import nn
from torch.nn import functional as F

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine


class Network(nn.Module):
    def __init__(self, tail, fixed=None):
        super().__init__()
        self.tail, self.fixed = tail, fixed
        self.layer = nn.Conv2d(3, 4, 9, 8, 4)
        generator = torch.Generator().manual_seed(0)
        self.layer.weight.data = 0.06 * torch.randn(self.layer.weight.shape, generator=generator)
        self.layer.bias.data.zero_()

    def forward(self, image):
        return self.tail(self.layer(image), self.fixed or image.shape[-2:])


def up(logits, size, **more):
    return F.interpolate(logits, size, mode="bilinear", **{"align_corners": False, **more})


# name -> (what follows the logits, whether the size may be anything, operators that the engine replaces)
TAILS = {
    "interpolate": (up, True, "Resize"),
    "interpolate, corners": (lambda y, s: up(y, s, align_corners=True), True, "Resize"),
    "by a factor": (lambda y, s: F.interpolate(y, scale_factor=8, mode="bilinear"), True, "Resize"),
    "by a factor, corners": (
        lambda y, s: F.interpolate(y, scale_factor=8, mode="bilinear", align_corners=True), True, "Resize"
    ),
    "nearest": (F.interpolate, True, "Resize"),
    "fixed size": (up, False, "Resize"),
    "softmax": (lambda y, s: up(y, s).softmax(1), True, "Resize Softmax"),
    "log softmax": (lambda y, s: up(y, s).log_softmax(1), True, "Resize LogSoftmax"),
    "softmax before": (lambda y, s: up(y.softmax(1), s), True, "Resize"),
    "argmax": (lambda y, s: up(y, s).argmax(1), True, "Resize ArgMax"),
    "argmax, kept, bytes": (lambda y, s: up(y, s).argmax(1, keepdim=True).byte(), True, "Resize ArgMax Cast"),
    "channels last": (lambda y, s: up(y, s).permute(0, 2, 3, 1).softmax(-1), True, "Resize Transpose Softmax"),
}  # fmt: skip
KEPT = {
    "cubic": lambda y, s: F.interpolate(y, s, mode="bicubic"),
    "antialias": lambda y, s: up(y, s, antialias=True),
}


def export(path, tail, dynamic, *, dynamo):
    network = Network(tail, None if dynamic else SIZE).eval()
    image = torch.zeros(1, 3, *SIZE)
    axes = None
    more = {"dynamo": False, "opset_version": 17}
    if dynamic and not dynamo:
        result = network(image)
        rows = next(k for k in range(1, result.ndim) if result.shape[k] == SIZE[0])
        axes = {"image": {2: "height", 3: "width"}, "out": {rows: "rows", rows + 1: "columns"}}
        more["dynamic_axes"] = axes
    elif dynamo:
        more = {"dynamo": True, "external_data": False, "verbose": False}
        if dynamic:
            height, width = torch.export.Dim("height", min=4), torch.export.Dim("width", min=4)
            more["dynamic_shapes"] = {"image": {2: 8 * height, 3: 8 * width}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (image,), str(path), input_names=["image"], output_names=["out"], **more)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION))
    return path


def check(path, replaced):
    rgb = np.random.default_rng(3).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    engine = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    assert " ".join(operator.split(" ")[0] for operator in engine.tail.cut) == replaced
    labels = engine.segment([Frame(rgb, "rgb")])[0].labels
    mean, std = (np.array(DESCRIPTION[key], np.float32) for key in ("mean", "std"))
    image = np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1)[None].astype(np.float32))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    own = session.run(None, {"image": image})[0]
    if own.ndim == 4 and 4 in (own.shape[1], own.shape[3]):
        own = own.argmax(1 if own.shape[1] == 4 else 3)
    assert (labels == own.squeeze()).mean() >= 0.9999
    assert len(np.unique(labels)) > 2


@pytest.mark.parametrize("name", TAILS)
def test_the_older_exporter(tmp_path, name):
    tail, dynamic, replaced = TAILS[name]
    check(export(tmp_path / "net.onnx", tail, dynamic, dynamo=False), replaced)


@pytest.mark.nightly  # two seconds each
@pytest.mark.parametrize("name", TAILS)
def test_the_default_exporter(tmp_path, name):
    pytest.importorskip("onnxscript", reason="torch's default exporter needs onnxscript")
    tail, dynamic, replaced = TAILS[name]
    check(export(tmp_path / "net.onnx", tail, dynamic, dynamo=True), replaced)


@pytest.mark.nightly
@pytest.mark.parametrize("name", KEPT)
def test_what_is_not_exact_stays(tmp_path, name):
    if name == "antialias":
        pytest.importorskip("onnxscript", reason="torch's default exporter needs onnxscript")
    check(export(tmp_path / "net.onnx", KEPT[name], False, dynamo=name == "antialias"), "")
