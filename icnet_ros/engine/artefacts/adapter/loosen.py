"""Makes a network that was exported at one size take any size, where nothing in it depends on that size."""

from typing import TYPE_CHECKING, Any

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Graph, attributes
from icnet_ros.engine.base import EngineError

if TYPE_CHECKING:
    import onnx

# Operators that do the same at every place of a map of any size.
LOCAL = {
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "ConvTranspose",
    "DepthToSpace", "Div", "Dropout", "Elu", "Erf", "Exp", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "MaxPool", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow",
    "ReduceMean", "Relu", "Resize", "Sigmoid", "Softmax", "Softplus", "SpaceToDepth", "Sqrt", "Sub", "Tanh",
    "Transpose",
}  # fmt: skip
WIDEST_AVERAGE = 3  # a larger window may be an adaptive pooling, whose window depends on the size


def loosen(source: str, model: "onnx.ModelProto", size: tuple[int, int]) -> None:
    """Change what is fixed to the input's size (height, width). Raises EngineError that names what cannot be.

    Interpolations to a constant size become interpolations by a whole factor.
    """
    import onnx

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for axis, side in zip((2, 3), size, strict=True):
        fixed.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    shapes = {
        entry.name: [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph.value_info
    }
    graph = Graph(model)
    for node in model.graph.node:
        if node.name.startswith("adapter/"):
            continue
        reason = _why_not(graph, node)
        if node.op_type == "Resize" and len(node.input) > 3 and node.input[3]:
            reason = _by_factor(model, node, shapes)
        if reason:
            raise EngineError(
                f"{source}: input_size is any, but {reason}: leave input_size out, or export with dynamic sizes"
            )


def _why_not(graph: Graph, node: Any) -> str:
    if node.op_type not in LOCAL:
        return f"its operator {node.op_type} may depend on the size"
    if node.op_type == "AveragePool" and max(attributes(node)["kernel_shape"]) > WIDEST_AVERAGE:
        return "its AveragePool may be an adaptive pooling at the exported size"
    if node.op_type in ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Concat"):
        for name in node.input:
            shape = graph.shape(name)
            if shape is not None and len(shape) >= 2 and max(shape[-2:]) > 1:
                return f"{node.op_type} has a constant for each place"
    return ""


def _by_factor(model: "onnx.ModelProto", node: Any, shapes: dict[str, list[int]]) -> str:
    """Let a Resize to a constant size state its factors; returns why that cannot be."""
    from onnx import numpy_helper

    before, after = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
    if len(before) != 4 or len(after) != 4 or 0 in (*before, *after):
        return "a Resize inside it has a size that is computed"
    if any(large % small for small, large in zip(before, after, strict=True)) or before[2:] == [1, 1]:
        return f"a Resize inside it goes from {before[2]}x{before[3]} to {after[2]}x{after[3]}"
    name = f"adapter/scales/{node.name or node.output[0]}"
    factors = np.array([large // small for small, large in zip(before, after, strict=True)], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(factors, name))
    node.input[2] = name
    del node.input[3]
    return ""
