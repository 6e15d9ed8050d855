"""Puts operators before and after a network, so that it has the input and output of an exported checkpoint."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from icnet_ros.checkpoint.onnx_file import OnnxNetwork
from icnet_ros.checkpoint.onnx_graph import opset_of, prune, rename
from icnet_ros.engine.artefacts.adapter.binary import FACTORS, OFFSETS, OneChannel

if TYPE_CHECKING:
    import onnx

PREFIX = "network/"  # of the names inside the original network
SMALLEST_PROBABILITY = 1e-7  # its logarithm is the smallest logit
SMALLEST_SIGMOID, SMALLEST_REST = 1e-30, 3e-8  # different float32 values below 1 stay different
LABEL_LOGIT = 20.0  # of the class, where the network gives labels; the others have 0

Inverse = Literal["", "log", "logit"]


class Ending(NamedTuple):
    """Which value of a network becomes `logits`.

    layout: of labels, "hw", "nhw", "n1hw" or "nhw1"; they become one-hot logits. axes: those of classes, rows and
    columns, of other values. inverse: of the function that made the values of logits: "log" of a softmax, "logit" of a
    sigmoid. channel: what the one channel of a network of two classes is; it becomes two before the inverse. missing:
    axes of length 1 that the value lacks, among those of `axes`.
    """

    value: str
    layout: str = ""
    axes: tuple[int, int, int] = (1, 2, 3)
    inverse: Inverse = ""
    channel: OneChannel | None = None
    missing: tuple[int, ...] = ()


def surround(network: OnnxNetwork, model: "onnx.ModelProto", ending: Ending) -> "onnx.ModelProto":
    """`image` float32 (1, 3, H, W), normalised -> `logits` (1, h, w, classes). Changes `model`, and returns it.

    What the ending does not need is removed from the network.
    """
    from onnx import TensorProto, helper

    rename(model, PREFIX)
    graph = model.graph
    del graph.value_info[:]  # can be inferred
    before = _Steps("before", opset_of(model))
    types = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    value = "image"
    if network.input.layout == "nhwc":
        value = before.add("Transpose", value, perm=[0, 2, 3, 1])
    if network.input.type != "float32":
        value = before.add("Cast", value, to=types[network.input.type])
    before.name(value, PREFIX + network.input.name)
    after = _after(PREFIX + ending.value, ending, len(network.spec.classes), opset_of(model))
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name in constants]  # old files list constants as inputs
    del graph.input[:]
    height, width = network.spec.input_size or ("height", "width")
    graph.input.extend([helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width]), *inputs])
    del graph.output[:]
    classes = len(network.spec.classes)
    graph.output.extend([helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "rows", "columns", classes])])
    prune(model, ["logits"])
    return model


def _after(value: str, ending: Ending, classes: int, opset: int) -> "_Steps":
    from onnx import TensorProto

    steps = _Steps("after", opset)
    if ending.layout:
        value = steps.one_hot(value, ending.layout, classes)
    else:
        value = steps.add("Cast", value, to=TensorProto.FLOAT)
        if ending.missing:
            value = steps.unsqueeze(value, ending.missing)
        if ending.channel:
            value = steps.two_classes(value, ending.channel, ending.axes[0])
        if ending.inverse:
            value = steps.inverse(value, ending.inverse)
        perm = [0, ending.axes[1], ending.axes[2], ending.axes[0]]
        if perm != [0, 1, 2, 3]:
            value = steps.add("Transpose", value, perm=perm)
    steps.name(value, "logits")
    return steps


class _Steps:
    """Nodes in a row, and their constants, for models of one opset. place: part of their names."""

    def __init__(self, place: str, opset: int) -> None:
        self.place, self.opset = place, opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        from onnx import helper

        output = f"adapter/{self.place}/{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, value: Any) -> str:
        """Append a constant; returns its name."""
        from onnx import numpy_helper

        name = f"adapter/{self.place}/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def name(self, value: str, name: str) -> None:
        """Call the value `name` from here on."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}.Identity"))

    def unsqueeze(self, value: str, axes: tuple[int, ...]) -> str:
        """Insert axes of length 1."""
        if self.opset < 13:
            return self.add("Unsqueeze", value, axes=list(axes))
        return self.add("Unsqueeze", value, self.constant(np.array(axes, np.int64)))

    def two_classes(self, value: str, kind: OneChannel, axis: int) -> str:
        """See `binary.two_classes`. axis: of the channel."""
        shape = [2 if place == axis else 1 for place in range(4)]
        factors, offsets = (np.array(table[kind], np.float32).reshape(shape) for table in (FACTORS, OFFSETS))
        value = self.add("Mul", value, self.constant(factors))
        return self.add("Add", value, self.constant(offsets)) if offsets.any() else value

    def inverse(self, value: str, function: str) -> str:
        """Logits of probabilities."""
        if function == "log":
            return self._log(value, SMALLEST_PROBABILITY)
        rest = self.add("Sub", self.constant(np.float32(1)), value)
        return self.add("Sub", self._log(value, SMALLEST_SIGMOID), self._log(rest, SMALLEST_REST))

    def _log(self, value: str, smallest: float) -> str:
        lowest = self.constant(np.float32(smallest))
        return self.add("Log", self.add("Max", value, lowest))  # not Clip, which turns NaN into a number

    def one_hot(self, labels: str, layout: str, classes: int) -> str:
        """LABEL_LOGIT for the class of a label, 0 for the others; NaN for a label that is no class."""
        from onnx import TensorProto

        labels = self.add("Cast", labels, to=TensorProto.INT64)
        if layout == "hw":
            labels = self.unsqueeze(labels, (0,))
        elif layout != "nhw":
            labels = self.add("Gather", labels, self.constant(np.int64(0)), axis=1 if layout == "n1hw" else 3)
        # OneHot counts negative labels from the end: they are moved out of range.
        negative = self.add("Less", labels, self.constant(np.int64(0)))
        labels = self.add("Where", negative, self.constant(np.int64(classes)), labels)
        hot = self.add(
            "OneHot",
            labels,
            self.constant(np.int64(classes)),
            self.constant(np.array([0, LABEL_LOGIT], np.float32)),
            axis=-1,
        )
        if self.opset < 18:
            highest = self.add("ReduceMax", hot, axes=[3], keepdims=1)
        else:
            highest = self.add("ReduceMax", hot, self.constant(np.array([3], np.int64)), keepdims=1)
        one = self.add("Div", hot, highest)  # 0 / 0 is NaN
        return self.add("Mul", one, self.constant(np.float32(LABEL_LOGIT)))
