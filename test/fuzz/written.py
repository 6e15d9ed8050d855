"""Documents, weights and parameters: seeds and parsers."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from recorded import BGR

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import HEADER_KEY, open_checkpoint
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.dataset.descriptor import load_descriptor
from icnet_ros.node.parameters import Parameters, by_name, parse
from icnet_ros.report.compare import Side
from icnet_ros.training.recipe import load_recipe

CITYSCAPES = load_classes("cityscapes")
CONFIG = Path(__file__).parents[2] / "config"


def shipped(folder: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in sorted((CONFIG / folder).glob("*.yaml"))][:6]


DATASET = b"""name: street
classes: cityscapes
licence: none
splits:
  train:
    - {images: a, labels: b}
    - {name: night, images: c, labels: d, pattern: "n_*", repeat: 3}
  val: []
"""
NET = b"""classes: {name: c3, classes: [{name: a, colour: [1,2,3]}, {name: b, colour: [4,5,6]}]}
channel_order: rgb
value_range: 1
mean: [0.4, 0.4, 0.4]
std: [0.2, 0.2, 0.2]
output_kind: logits
"""
INDEX = b"models:\n  icnet:\n    description: 19\n    files:\n    - {name: icnet.safetensors, bytes: 12, sha256: abc}\n"


def read_dataset(path: Path) -> None:
    for folder in "abcd":
        if not (path.parent / folder).exists():
            (path.parent / folder).mkdir()
            cv2.imwrite(str(path.parent / folder / "n_1.png"), BGR[..., 0])
    assert len(load_descriptor(path, "train"))


def read_recipe(path: Path) -> None:
    recipe = load_recipe(str(path))
    assert all(np.isfinite(v) for v in recipe.to_dict().values() if isinstance(v, float))


def read_net(path: Path) -> None:
    """The description beside an ONNX file."""
    import onnx
    from onnx import TensorProto, helper

    network = path.with_suffix(".onnx")
    if not network.exists():
        weight = onnx.numpy_helper.from_array(np.zeros((2, 3, 1, 1), np.float32), "w")
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w_"])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, "h", "w_"])
        graph = helper.make_graph(
            [helper.make_node("Conv", ["image", "w"], ["logits"])], "g", [image], [logits], [weight]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.save(model, network)
    checkpoint = open_checkpoint(network)
    assert np.isfinite((*checkpoint.spec.mean, *checkpoint.spec.std)).all()
    json.dumps(checkpoint.spec.to_json())


def reports() -> list[bytes]:
    table = load_classes("camvid").to_dict()
    names = [entry["name"] for entry in table["classes"]]
    report = {
        "schema_version": 3, "bag": "b", "bag_sha256": "0", "image_topic": "/cam", "class_table": table,
        "frames": {"read": 0, "labelled": 0, "failed": 0, "scored": 0}, "miou": 0.5, "pixel_accuracy": 0.5,
        "per_class": dict.fromkeys(names, 0.5), "confidence": {"mean": 0.5}, "changed_pixels": {"mean": 0.1},
        "latency_ms": {"engine": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}, "throughput_fps": 3.0,
    }  # fmt: skip
    return [json.dumps(report, indent=1).encode()]


def read_report(path: Path) -> None:
    from icnet_ros.report.frames_csv import write_frames

    side = load_classes("camvid")
    write_frames(path.parent / "frames.csv", [], side.names)
    Side.read(path)


# --- weights ----------------------------------------------------------------------------------------


def tiny_spec() -> ModelSpec:
    from icnet_ros.checkpoint.classes import ClassTable

    return ModelSpec(ClassTable("t", ("road", "car"), ((1, 2, 3), (4, 5, 6))), width=0.25)


def checkpoints() -> list[bytes]:
    header = json.dumps(
        {
            "__metadata__": {HEADER_KEY: tiny_spec().to_json()},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        }
    ).encode()
    return [struct.pack("<Q", len(header)) + header + bytes(8)]


def published() -> list[bytes]:
    """The beginnings of the three formats; none is a whole network."""
    array = io.BytesIO()
    np.save(
        array, np.array({"conv1_1_3x3_s2": {"weights": np.zeros((3, 3, 3, 2), np.float32)}}, object), allow_pickle=True
    )
    import torch

    state = io.BytesIO()
    torch.save({"convbnrelu1_1.cbr_unit.0.weight": torch.zeros(2, 3, 3, 3)}, state)

    def field(number: int, content: bytes) -> bytes:
        return bytes((number << 3 | 2, len(content))) + content

    blob = field(7, bytes((1 << 3, 2, 1 << 3, 3))) + field(5, struct.pack("<6f", *range(6)))
    layer = field(1, b"conv1_1_3x3_s2") + field(2, b"Convolution") + field(7, blob)
    layer = b"\xa2\x06" + bytes((len(layer),)) + layer
    return [array.getvalue(), state.getvalue(), layer * 2]


# --- parameters -------------------------------------------------------------------------------------

PARAMETERS = b"""engine=auto
precision=fp32
threads=2
cameras=left
lazy=true
max_rate=30.5
cloud_transform=0 0 0 0 0 0 1"""


def read_parameters(data: bytes) -> None:
    given = {}
    for line in data.decode(errors="replace").split("\n"):
        name, _, value = line.partition("=")
        if name in by_name():
            given[name] = parse(name, value)
    Parameters(**given)
