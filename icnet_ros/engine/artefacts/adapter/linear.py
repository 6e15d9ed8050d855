"""Finds 1x1 convolutions behind interpolations, and what it costs to do them before.

Both are linear, and an interpolation treats all channels alike: conv(resize(x)) = resize(conv(x)), and of joined
channels conv(concat(a, b)) = conv_a(a) + conv_b(b). Decoders as that of SegFormer interpolate all stages of their
encoder to the largest, join them and convolve; before the interpolation the same convolution has a fraction of the
multiplications.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array, Graph, attributes

# Costs of an element, in multiply-accumulates of a convolution that take the same time (OpenVINO fp32 with AVX-512).
RESIZE, CONCAT, ADD = 50, 50, 25
LEAST = 1000.0  # saved for each pixel of the picture; less cannot be measured beside the rest of a network
DEEPEST = 8  # nested interpolations and concatenations
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A value that a convolution reads, or a part of it.

    kind: "leaf", "resize", "concat" or "add". node: of the interpolation. parts: what it is made of.
    """

    kind: str
    value: str
    shape: Shape
    node: Any = None
    parts: tuple["Part", ...] = ()

    def moved(self) -> bool:
        """Whether an interpolation comes after the convolution."""
        return self.kind == "resize" or any(part.moved() for part in self.parts)


@dataclass(frozen=True)
class Convolution:
    """A 1x1 convolution of stride 1. node: of it. weights: (outputs, inputs). bias: (outputs,) or None."""

    node: Any
    weights: Array
    bias: Array | None


@dataclass(frozen=True)
class Projection:
    """A leaf that is itself linear in its channels, so that both become one.

    value: what it reads. weights: (outputs, inputs). nodes: behind the product, in order: none for a convolution, a
    Transpose and a Reshape for a MatMul with channels last.
    """

    value: str
    weights: Array
    bias: Array | None
    nodes: tuple[Any, ...] = ()


def convolution(graph: Graph, node: Any) -> Convolution | None:
    """`node` as a 1x1 convolution with constant float32 weights, None for any other."""
    if node.op_type != "Conv":
        return None
    given = attributes(node)
    shape = graph.shape(node.input[1])
    if shape is None or len(shape) != 4 or shape[2:] != (1, 1) or given.get("group", 1) != 1:
        return None
    if any(side != 1 for side in given.get("strides", ())) or any(given.get("pads", ())):
        return None
    weights = graph.constant(node.input[1], None)
    bias = graph.constant(node.input[2], None) if len(node.input) > 2 and node.input[2] else None
    if weights is None or weights.dtype != np.float32 or (bias is None and len(node.input) > 2 and node.input[2]):
        return None
    return Convolution(node, weights[:, :, 0, 0], bias)


def candidates(graph: Graph) -> list[Any]:
    """1x1 convolutions with an interpolation among what they read."""
    nodes = [node for node in graph.model.graph.node if node.op_type == "Conv"]
    return [node for node in nodes if any(one.op_type == "Resize" for one in _sources(graph, node.input[0])[1])]


def needed(graph: Graph, nodes: Sequence[Any]) -> list[str]:
    """Values whose shapes `decide` and `move` need."""
    names: list[str] = []
    for node in nodes:
        values, makers = _sources(graph, node.input[0])
        names += [*values, node.output[0]]
        names += [size for maker in makers for size in _first_sizes(graph, maker)]
    return list(dict.fromkeys(names))


def decide(graph: Graph, found: Convolution, shapes: Mapping[str, Shape], pixels: int) -> Part | None:
    """Where the convolution is to be done; None if that saves little, or it cannot be moved.

    shapes: of `needed`, for a picture of `pixels`.
    """
    whole = _read(graph, found.node.input[0], shapes, 0)
    outputs = len(found.weights)
    before = _before(graph, whole) + outputs * np.prod(whole.shape[1:])
    after, best = _best(graph, whole, outputs)
    return best if best.moved() and before - after >= LEAST * pixels else None


def projection(graph: Graph, value: str) -> Projection | None:
    """The product with a constant that makes a value (1, channels, h, w) which nothing else reads; None for others."""
    node = graph.makers.get(value)
    if node is None or not _only_user(graph, value):
        return None
    if (found := convolution(graph, node)) is not None:
        return Projection(node.input[0], found.weights, found.bias)
    behind: list[Any] = []
    for operator in ("Reshape", "Transpose"):
        if node is None or node.op_type != operator or not _only_user(graph, node.output[0]):
            return None
        behind.insert(0, node)
        node = graph.makers.get(node.input[0])
    if list(attributes(behind[0]).get("perm", ())) != [0, 2, 1] or node is None:
        return None
    bias = None
    if node.op_type == "Add" and _only_user(graph, node.output[0]):
        constants = [graph.constant(name, None) for name in node.input]
        place = next((side for side in (0, 1) if constants[side] is not None), None)
        if place is None:
            return None
        bias, node = constants[place], graph.makers.get(node.input[1 - place])
    if node is None or node.op_type != "MatMul" or not _only_user(graph, node.output[0]):
        return None
    weights = graph.constant(node.input[1], None)
    if weights is None or weights.ndim != 2 or weights.dtype != np.float32:
        return None
    if bias is not None and bias.shape != (weights.shape[1],):
        return None
    return Projection(node.input[0], weights.T, bias, tuple(behind))


def _only_user(graph: Graph, value: str) -> bool:
    """Whether one node reads it; those that only read its shape do not count."""
    if value in {entry.name for entry in graph.model.graph.output}:
        return False
    return len([node for node in graph.readers.get(value, []) if node.op_type != "Shape"]) == 1


def _node(graph: Graph, value: str) -> Any:
    """The interpolation, concatenation or addition that makes a value, if nothing else reads it."""
    node = graph.makers.get(value)
    if node is None or not _only_user(graph, value):
        return None
    given = attributes(node)
    if node.op_type == "Resize":
        return None if given.get("coordinate_transformation_mode") == b"tf_crop_and_resize" else node
    if node.op_type == "Concat":
        return node if given["axis"] in (1, -3) else None
    return node if node.op_type == "Add" else None


def _sources(graph: Graph, value: str, depth: int = 0) -> tuple[list[str], list[Any]]:
    """All values behind `value` as far as `_read` may go, and the nodes between them."""
    node = _node(graph, value) if depth < DEEPEST else None
    values, nodes = [value], []
    if node is not None:
        nodes.append(node)
        for name in node.input[:1] if node.op_type == "Resize" else node.input:
            found = _sources(graph, name, depth + 1)
            values, nodes = values + found[0], nodes + found[1]
    return values, nodes


def _first_sizes(graph: Graph, node: Any) -> list[str]:
    """The value before rows and columns in the computed size of an interpolation."""
    if node.op_type != "Resize" or len(node.input) < 4:
        return []
    maker = graph.makers.get(node.input[3])
    return [maker.input[0]] if maker is not None and maker.op_type == "Concat" else []


def _read(graph: Graph, value: str, shapes: Mapping[str, Shape], depth: int) -> Part:
    node = _node(graph, value) if depth < DEEPEST else None
    shape = shapes[value]
    leaf = Part("leaf", value, shape)
    if node is None or len(shape) != 4:
        return leaf
    names = node.input[:1] if node.op_type == "Resize" else node.input
    parts = tuple(_read(graph, name, shapes, depth + 1) for name in names)
    if any(len(part.shape) != 4 or part.shape[0] != 1 for part in parts):
        return leaf
    if node.op_type == "Resize" and parts[0].shape[:2] != shape[:2]:
        return leaf
    if node.op_type == "Add" and any(part.shape != shape for part in parts):
        return leaf
    return Part(node.op_type.lower(), value, shape, node, parts)


def _before(graph: Graph, part: Part) -> float:
    """Cost of a value as it is made now."""
    elements = float(np.prod(part.shape))
    if part.kind == "leaf":
        found = projection(graph, part.value)
        return 0.0 if found is None else found.weights.shape[1] * elements
    return {"resize": RESIZE, "concat": CONCAT, "add": ADD}[part.kind] * elements + sum(
        _before(graph, one) for one in part.parts
    )


def _best(graph: Graph, part: Part, outputs: int) -> tuple[float, Part]:
    """The smallest cost of a part and its convolution to `outputs` channels, and the part as it is read then."""
    channels, rows, columns = part.shape[1:]
    elements = float(outputs * rows * columns)
    leaf = Part("leaf", part.value, part.shape)
    if part.kind == "leaf":
        found = projection(graph, part.value)
        return (found.weights.shape[1] if found else channels) * elements, leaf
    before = _before(graph, part) + channels * elements
    chosen = [_best(graph, one, outputs) for one in part.parts]
    after = sum(cost for cost, _ in chosen)
    parts = tuple(one for _, one in chosen)
    if part.kind == "resize":
        after += RESIZE * elements
    else:
        alone = [one for one in parts if one.kind == "leaf"] if part.kind == "concat" else []
        after += ADD * elements * (len(parts) - max(len(alone), 1))
        if len(alone) > 1:
            after += CONCAT * sum(float(np.prod(one.shape)) for one in alone)
    if after < before:
        return after, Part(part.kind, part.value, part.shape, part.node, parts)
    return before, leaf
