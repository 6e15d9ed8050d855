"""Moves 1x1 convolutions before interpolations, where that takes fewer multiplications."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array, Graph, prune
from icnet_ros.engine.artefacts.adapter.linear import (
    Convolution,
    Part,
    Shape,
    candidates,
    convolution,
    decide,
    needed,
    projection,
)

if TYPE_CHECKING:
    import onnx


def values_needed(model: "onnx.ModelProto") -> list[str]:
    """Values of the main graph whose shapes `reorder` needs; none if there is nothing to move."""
    graph = Graph(model)
    return needed(graph, candidates(graph))


def reorder(
    model: "onnx.ModelProto", shapes: Mapping[str, Shape], pixels: int
) -> tuple["onnx.ModelProto", tuple[str, ...]]:
    """A model with the same results up to float rounding, and the names of the convolutions that were moved.

    shapes: of `values_needed`, for a picture of `pixels`. If nothing was moved, the model itself.
    """
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    moved: list[str] = []
    for name in [node.output[0] for node in candidates(Graph(changed))]:
        graph = Graph(changed)  # with what was moved before
        found = convolution(graph, graph.makers[name])
        if found is None or not set(needed(graph, [found.node])) <= shapes.keys():
            continue
        if (part := decide(graph, found, shapes, pixels)) is None:
            continue
        _Move(changed, graph, shapes, len(moved)).move(found, part)
        prune(changed, [entry.name for entry in changed.graph.output])
        moved.append(found.node.name or name)
    return (changed, tuple(moved)) if moved else (model, ())


class _Move:
    """Writes the nodes of one convolution anew."""

    def __init__(self, model: "onnx.ModelProto", graph: Graph, shapes: Mapping[str, Shape], number: int) -> None:
        self._model, self._graph, self._shapes = model, graph, shapes
        self._prefix = f"reordered{number}"
        self._nodes: list[Any] = []

    def move(self, found: Convolution, part: Part) -> None:
        """Replace the convolution. part: where it is to be done."""
        output = found.node.output[0]
        self._add("Identity", self._write(part, found.weights, found.bias), output=output)
        nodes = list(self._model.graph.node)
        place = next(index for index, node in enumerate(nodes) if output in node.output)
        nodes[place : place + 1] = self._nodes
        del self._model.graph.node[:]
        self._model.graph.node.extend(nodes)

    def _write(self, part: Part, weights: Array, bias: Array | None) -> str:
        """The name of the convolved part. The bias is added once; interpolations keep it."""
        if part.kind == "leaf":
            return self._leaf(part.value, weights, bias)
        if part.kind == "resize":
            return self._resize(part, self._write(part.parts[0], weights, bias), len(weights))
        if part.kind == "add":
            pairs = [(one, weights) for one in part.parts]
        else:
            ends = np.cumsum([one.shape[1] for one in part.parts])[:-1]
            pairs = self._joined(list(zip(part.parts, np.split(weights, ends, axis=1), strict=True)))
        terms = [self._write(one, own, None if number else bias) for number, (one, own) in enumerate(pairs)]
        value = terms[0]
        for term in terms[1:]:
            value = self._add("Add", value, term)
        return value

    def _joined(self, pairs: list[tuple[Part, Array]]) -> list[tuple[Part, Array]]:
        """The same, with all parts that stay as they are as one."""
        alone = [pair for pair in pairs if pair[0].kind == "leaf"]
        rest = [pair for pair in pairs if pair[0].kind != "leaf"]
        if len(alone) < 2:
            return alone + rest
        value = self._add("Concat", *(part.value for part, _ in alone), axis=1)
        shape = (1, sum(part.shape[1] for part, _ in alone), *alone[0][0].shape[2:])
        return [(Part("leaf", value, shape), np.concatenate([own for _, own in alone], axis=1)), *rest]

    def _leaf(self, value: str, weights: Array, bias: Array | None) -> str:
        found = projection(self._graph, value)
        if found is None:
            return self._convolve(value, weights, bias)
        both = weights.astype(np.float64) @ found.weights
        total = np.zeros(len(weights)) if bias is None else bias.astype(np.float64)
        if found.bias is not None:
            total = total + weights.astype(np.float64) @ found.bias
        if not found.nodes:
            return self._convolve(found.value, both, total)
        product = self._add("MatMul", found.value, self._constant(both.T))
        if found.bias is not None or bias is not None:
            product = self._add("Add", product, self._constant(total))
        turned = self._add("Transpose", product, perm=[0, 2, 1])
        return self._add("Reshape", turned, self._size(found.nodes[1].input[1], len(weights)))

    def _convolve(self, value: str, weights: Array, bias: Array | None) -> str:
        inputs = [value, self._constant(weights[:, :, None, None])]
        return self._add("Conv", *inputs, *([] if bias is None else [self._constant(bias)]), kernel_shape=[1, 1])

    def _resize(self, part: Part, value: str, channels: int) -> str:
        import onnx

        node = onnx.NodeProto()
        node.CopyFrom(part.node)
        node.name = f"{self._prefix}/{part.node.name or part.node.output[0]}"
        node.input[0], node.output[0] = value, f"{self._prefix}/{part.node.output[0]}"
        whole = not any(entry.name == "axes" for entry in node.attribute)
        if whole and len(node.input) > 3 and node.input[3]:
            node.input[3] = self._size(node.input[3], channels)
        self._nodes.append(node)
        output: str = node.output[0]
        return output

    def _size(self, name: str, channels: int) -> str:
        """A size (1, channels, rows, columns) with the rows and columns of the value `name`."""
        if (known := self._graph.constant(name)) is not None:
            return self._constant(np.array([1, channels, *known[2:]]), np.int64)
        front = self._constant(np.array([1, channels]), np.int64)
        maker = self._graph.makers[name]
        if maker.op_type == "Concat" and self._shapes.get(maker.input[0]) == (2,):  # does not need the old channels
            rest = [self._graph.constant(one) for one in maker.input[1:]]
            if all(one is not None for one in rest):
                sides = [int(side) for one in rest if one is not None for side in one]
                return self._constant(np.array([1, channels, *sides]), np.int64)
            return self._add("Concat", front, *maker.input[1:], axis=0)
        ends = [self._constant(np.array([end]), np.int64) for end in (2, 4)]
        return self._add("Concat", front, self._add("Slice", name, *ends), axis=0)

    def _constant(self, values: Array, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"{self._prefix}/constant{len(self._model.graph.initializer)}"
        self._model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def _add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{self._prefix}/{operator}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output
