"""Cost of an ONNX network at an input size: parameters and multiply-accumulates."""

from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime

from icnet_ros.engine.base import EngineError, one_line

MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")


class Cost(NamedTuple):
    """macs: of all convolutions and matrix products for one image. parameters: their weights and biases."""

    macs: int
    parameters: int


def onnx_cost(path: Path, height: int, width: int) -> Cost:
    """Cost of a network with input `image` (1, 3, H, W); the network runs once, on zeros, to find all shapes.

    Raises EngineError if it does not run.
    """
    model = onnx.load(path)
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _shape_of(node.attribute[0])
    nodes = [node for node in model.graph.node if node.op_type in MULTIPLYING]
    computed = {name for node in nodes for name in (*node.input, *node.output) if name} - constants.keys()
    shapes = constants | _shapes(model, computed, height, width)
    weights = {name for node in nodes for name in node.input[1:] if name in constants}
    return Cost(sum(_macs(node, shapes) for node in nodes), sum(prod(constants[name]) for name in weights))


def _shape_of(attribute: onnx.AttributeProto) -> tuple[int, ...]:
    """Of the value of a Constant."""
    if attribute.name == "value":
        return tuple(attribute.t.dims)
    values = onnx.helper.get_attribute_value(attribute)
    return (len(values),) if attribute.name.endswith("s") else ()


def _macs(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    first, second, out = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type == "Conv":
        return prod(out) * prod(second[1:])
    if node.op_type == "ConvTranspose":
        return prod(first) * prod(second[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(out) * first[0 if transposed else -1]


def _shapes(model: onnx.ModelProto, names: set[str], height: int, width: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the values with these names, as they are when the network runs on an image of this size."""
    kept = {entry.name for entry in model.graph.output}
    inputs = {entry.name for entry in model.graph.input}
    model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in sorted(names - kept - inputs)])
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    image = np.zeros((1, 3, height, width), np.float32)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        wanted = [entry.name for entry in session.get_outputs()]
        values = session.run(wanted, {"image": image})
    except Exception as err:  # the runtime raises many exception types
        raise EngineError(f"its multiply-accumulates cannot be counted: {one_line(err)}") from err
    return {"image": image.shape} | {name: value.shape for name, value in zip(wanted, values, strict=True)}
