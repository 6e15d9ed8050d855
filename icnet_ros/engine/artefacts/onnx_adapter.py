"""Gives any segmentation network in an ONNX file the input and output of an exported checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.onnx_file import OnnxNetwork, load_with_data, read_onnx
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError, one_line

if TYPE_CHECKING:
    import onnx

PREFIX = "network/"  # of the names inside the original network
SMALLEST_PROBABILITY = 1e-7  # its logarithm is the smallest logit
LABEL_LOGIT = 20.0  # of the class, where the network gives labels; the others have 0


def adapt(checkpoint: Checkpoint, path: Path) -> None:
    """Write `image` float32 (1, 3, H, W), normalised -> `logits` (1, h, w, classes), as `export.export_onnx` does.

    The original network is kept as it is, with operators around it: transposition and cast of the input, logarithm of
    probabilities, one-hot logits of labels. Raises CheckpointError, EngineError if the network does not run.
    """
    import onnx

    assert checkpoint.path is not None
    network = read_onnx(checkpoint.path)
    original = load_with_data(checkpoint.path, network.model)
    shape, labels, softmax = _run(checkpoint.path, network, original)
    kind = network.output_kind or ("labels" if labels else "probabilities" if softmax else "logits")
    layout = _layout(checkpoint.path, shape, kind, network)
    onnx.save(_around(network, original, kind, layout), path)
    _check(checkpoint.path, path, network.spec)


def probe_size(spec: ModelSpec) -> tuple[int, int]:
    """(height, width) at which a network is tried; so that its sides differ from each other and from the classes."""
    if spec.input_size is not None:
        return spec.input_size
    classes, multiple = len(spec.classes), spec.size_multiple
    height = smallest = -(-128 // multiple) * multiple
    while any(round(side / 2**stride) == classes for side in (height, height + smallest) for stride in range(6)):
        height += multiple
    return height, height + smallest


def _run(path: Path, network: OnnxNetwork, model: "onnx.ModelProto") -> tuple[tuple[int, ...], bool, bool]:
    """Shape of the output at `probe_size`; whether it is of an integer type; whether a Softmax made it."""
    import onnxruntime

    height, width = probe_size(network.spec)
    sides = (1, 3, height, width) if network.input.layout == "nchw" else (1, height, width, 3)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        output = session.run([network.output], {network.input.name: np.zeros(sides, network.input.type)})[0]
    except Exception as err:  # the runtime raises many exception types
        raise EngineError(f"{path}: ONNX Runtime cannot run it at {width}x{height}: {one_line(err)}") from err
    return tuple(output.shape), np.issubdtype(output.dtype, np.integer), _ends_in_softmax(model, network.output)


def _ends_in_softmax(model: "onnx.ModelProto", output: str) -> bool:
    """Whether a Softmax made an output, perhaps converted or transposed afterwards."""
    makers = {name: node for node in model.graph.node for name in node.output}
    while (maker := makers.get(output)) is not None and maker.op_type in ("Transpose", "Cast", "Identity"):
        output = maker.input[0]
    return maker is not None and maker.op_type == "Softmax"


def _layout(path: Path, shape: tuple[int, ...], kind: str, network: OnnxNetwork) -> str:
    """Of an output of this shape: "nchw", "nhwc", or for labels "nhw", "n1hw", "nhw1"."""
    classes = len(network.spec.classes)
    if kind == "labels":
        layouts = {"nhw": len(shape) == 3, "n1hw": shape[1:2] == (1,), "nhw1": shape[3:4] == (1,)}
    else:
        layouts = {"nchw": shape[1:2] == (classes,), "nhwc": shape[3:4] == (classes,)}
    found = [layout for layout, fits in layouts.items() if fits and (len(shape) == 4 or layout == "nhw")]
    if network.input.layout in found:  # of a fixed size, with a map as wide as there are classes: looks like both
        found = [network.input.layout]
    if len(found) != 1 or shape[0] != 1:
        wanted = "1 x height x width" if kind == "labels" else f"1 x {classes} x height x width"
        raise EngineError(
            f"{path}: its output is {' x '.join(map(str, shape))}; {kind} of {classes} classes are {wanted}: "
            "the class table belongs to another network, or output or output_kind is wrong"
        )
    return found[0]


def _around(network: OnnxNetwork, model: "onnx.ModelProto", kind: str, layout: str) -> "onnx.ModelProto":
    """The model with operators before and after it."""
    from onnx import TensorProto, compose, helper

    model = compose.add_prefix(model, PREFIX)
    graph = model.graph
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    del graph.value_info[:]  # can be inferred
    steps = _Steps(opset)
    types = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    value = "image"
    if network.input.layout == "nhwc":
        value = steps.add("Transpose", value, perm=[0, 2, 3, 1])
    if network.input.type != "float32":
        value = steps.add("Cast", value, to=types[network.input.type])
    steps.rename(value, PREFIX + network.input.name)
    before, steps = steps, _Steps(opset)
    value = PREFIX + network.output
    classes = len(network.spec.classes)
    if kind == "labels":
        value = steps.one_hot(value, layout, classes)
    else:
        value = steps.add("Cast", value, to=TensorProto.FLOAT)
        if kind == "probabilities":
            lowest = steps.constant(np.float32(SMALLEST_PROBABILITY))
            value = steps.add("Log", steps.add("Max", value, lowest))  # not Clip, which turns NaN into a number
        if layout == "nchw":
            value = steps.add("Transpose", value, perm=[0, 2, 3, 1])
    steps.rename(value, "logits")
    nodes = [*before.nodes, *graph.node, *steps.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *steps.constants])
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name in constants]  # old files list constants as inputs
    del graph.input[:]
    height, width = network.spec.input_size or ("height", "width")
    graph.input.extend([helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width]), *inputs])
    del graph.output[:]
    graph.output.extend([helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "rows", "columns", classes])])
    return model


class _Steps:
    """Nodes in a row, and their constants, for models of one opset."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        from onnx import helper

        output = f"{inputs[0]}.{operator}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, value: Any) -> str:
        """Append a constant; returns its name."""
        from onnx import numpy_helper

        name = f"adapter.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def rename(self, value: str, name: str) -> None:
        """Call the value `name` from here on."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}.Identity"))

    def one_hot(self, labels: str, layout: str, classes: int) -> str:
        """LABEL_LOGIT for the class of a label, 0 for the others; NaN for a label that is no class."""
        from onnx import TensorProto

        labels = self.add("Cast", labels, to=TensorProto.INT64)
        if layout != "nhw":
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


def _check(source: Path, path: Path, spec: ModelSpec) -> None:
    """Raise EngineError unless the adapted network gives finite logits of the right shape."""
    import onnxruntime

    height, width = probe_size(spec)
    grey = (128 - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    image = np.ascontiguousarray(np.broadcast_to(grey.reshape(1, 3, 1, 1), (1, 3, height, width)))
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        logits = session.run(None, {"image": image})[0]
    except Exception as err:
        raise EngineError(f"{source}: ONNX Runtime cannot run it: {one_line(err)}") from err
    if logits.ndim != 4 or logits.shape[::3] != (1, len(spec.classes)) or not np.isfinite(logits).all():
        raise EngineError(f"{source}: it gives {logits.shape}, or NaN or infinity, for a grey picture")
