"""Networks with the heads and tails that exports have, made node by node."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.base import Frame

CLASSES = {
    "name": "four",
    "classes": [{"name": name, "colour": [40 * k, 0, 255 - 40 * k]} for k, name in enumerate(("a", "b", "c", "d"))],
}
DESCRIPTION = {
    "classes": CLASSES, "channel_order": "rgb", "value_range": 255, "mean": [100, 110, 120], "std": [60, 55, 50],
}  # fmt: skip
SIZE = (128, 256)  # multiples of 32, so that pictures are not resized
COMPUTED = "sizes of the picture"  # in place of a constant: what Shape of the input gives


class Op(NamedTuple):
    """An operator whose first input is the value before it. constants: its further inputs; None for a missing one."""

    name: str
    attributes: Mapping = MappingProxyType({})
    constants: tuple = ()


def scales(factor, axes=4, layout="nchw"):
    values = [1, 1, factor, factor] if layout == "nchw" else [1, factor, factor, 1]
    return None, np.array(values if axes == 4 else [factor, factor], np.float32)


def resize(coordinates="half_pixel", mode="linear", constants=None, **attributes):
    """At stride 8 to the size of the picture."""
    given = {"mode": mode, "coordinate_transformation_mode": coordinates, **attributes}
    return Op("Resize", given, scales(8) if constants is None else constants)


def computed(coordinates, mode="linear", **attributes):
    return resize(coordinates, mode, (None, None, COMPUTED), **attributes)


def write(
    path, tail, *, head=(), stride=8, kernel=None, opset=17, size=None, description=None,
    input_type=TensorProto.FLOAT, channels=4, layout="nchw",
):  # fmt: skip
    """A convolution of random weights between `head` and `tail`; logits of about +-3. size: the only one it takes."""
    kernel = kernel or stride
    generator = np.random.default_rng(7)
    weights = generator.normal(0, 0.06, (channels, 3, kernel, kernel)).astype(np.float32)
    nodes, tensors = [], [numpy_helper.from_array(weights, "w")]
    value = "image"

    def append(op):
        nonlocal value
        inputs = [value]
        for constant in op.constants:
            name = ""
            if constant is COMPUTED:
                name = _size_of_picture(nodes, tensors, value, layout)
            elif constant is not None:
                name = f"k{len(tensors)}"
                tensors.append(numpy_helper.from_array(np.asarray(constant), name))
            inputs.append(name)
        result = f"v{len(nodes)}"
        nodes.append(helper.make_node(op.name, inputs, [result], **op.attributes))
        value = result

    for op in head:
        append(op)
    if layout == "nhwc":
        append(Op("Transpose", {"perm": [0, 3, 1, 2]}))
    nodes.append(helper.make_node("Conv", [value, "w"], ["raw"], strides=[stride, stride]))
    value = "raw"
    for op in tail:
        append(op)
    nodes.append(helper.make_node("Identity", [value], ["out"]))
    height, width = size or ("h", "w")
    sides = [1, 3, height, width] if layout == "nchw" else [1, height, width, 3]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("image", input_type, sides)],
        [onnx.ValueInfoProto(name="out")],
        tensors,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model)
    known = {entry.name: entry for entry in model.graph.value_info}
    if "out" in known:
        model.graph.output[0].CopyFrom(known["out"])
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION if description is None else description))
    return path


def _size_of_picture(nodes, tensors, value, layout):
    """1 x 4 of the picture, rows and columns, as torch's exporter writes it: Shape, Slice, Concat."""
    first = 2 if layout == "nchw" else 1
    number = len(tensors)
    for name, array in (("from", [first]), ("to", [first + 2]), ("zero", [0]), ("two", [2])):
        tensors.append(numpy_helper.from_array(np.array(array, np.int64), f"{name}{number}"))
    nodes += [
        helper.make_node("Shape", ["image"], [f"shape{number}"]),
        helper.make_node("Slice", [f"shape{number}", f"from{number}", f"to{number}"], [f"sides{number}"]),
        helper.make_node("Shape", [value], [f"own{number}"]),
        helper.make_node("Slice", [f"own{number}", f"zero{number}", f"two{number}"], [f"channels{number}"]),
        helper.make_node("Concat", [f"channels{number}", f"sides{number}"], [f"sizes{number}"], axis=0),
    ]
    return f"sizes{number}"


def adapted(path):
    return onnx_file(open_checkpoint(path), "sub124")


def frame(size=SIZE, seed=3):
    return Frame(np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8), "rgb")
