"""Walks and edits ONNX graphs."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
MAX_CONSTANT = 4096  # elements of a constant that is looked at: factors, sizes, permutations


def graphs(model: "onnx.ModelProto") -> Iterator[Any]:
    """All graphs: also those of branches and loops, and functions."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            waiting += subgraphs(node)


def subgraphs(node: Any) -> list[Any]:
    """The branches or the body of a node, as of If and Loop."""
    found: list[Any] = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else []
        found += attribute.graphs
    return found


def attributes(node: Any) -> dict[str, Any]:
    """Values of a node's attributes by name."""
    from onnx import helper

    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}


def opset_of(model: "onnx.ModelProto") -> int:
    """Version of ONNX's own operators."""
    version: int = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return version


class Graph:
    """The main graph of a model, by names of values. makers: the node that computes a value."""

    def __init__(self, model: "onnx.ModelProto", folder: str = "") -> None:
        """folder: of tensors that are stored in other files."""
        self.model, self._folder = model, folder
        self.opset = opset_of(model)
        self.makers: dict[str, Any] = {name: node for node in model.graph.node for name in node.output if name}
        self._initializers = {tensor.name: tensor for tensor in model.graph.initializer}

    def users(self, value: str) -> list[Any]:
        """Nodes that read a value; nodes whose branches read it count, too."""
        return [node for node in self.model.graph.node if value in set(read_by(node))]

    @cached_property
    def readers(self) -> dict[str, list[Any]]:
        """`users` of every value that has some, as the graph was when this was first read."""
        found: dict[str, list[Any]] = {}
        for node in self.model.graph.node:
            for name in set(read_by(node)):
                found.setdefault(name, []).append(node)
        return found

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of a constant of any size; None for what is computed."""
        if name in self._initializers:
            return tuple(self._initializers[name].dims)
        node = self.makers.get(name)
        if node is None or node.op_type != "Constant":
            return None
        values = attributes(node)
        return tuple(values["value"].dims) if "value" in values else ()

    def constant(self, name: str, most: int | None = MAX_CONSTANT) -> Array | None:
        """A constant, also if it is converted or reshaped afterwards; None for what is computed.

        most: elements that it may have; None for a larger one.
        """
        from onnx import numpy_helper

        def is_small(dims: Iterable[int]) -> bool:
            return most is None or bool(np.prod(list(dims), dtype=int) <= most)

        if name in self._initializers:
            tensor = self._initializers[name]
            return numpy_helper.to_array(tensor, self._folder) if is_small(tensor.dims) else None
        node = self.makers.get(name)
        if node is None:
            return None
        if node.op_type == "Constant":
            values = attributes(node)
            if "value" in values:
                small = is_small(values["value"].dims)
                return numpy_helper.to_array(values["value"], self._folder) if small else None
            key = next(iter(values), "")
            if key not in ("value_float", "value_floats", "value_int", "value_ints"):
                return None
            return np.array(values[key], np.float32 if "float" in key else np.int64)
        return self._converted(node, most)

    def _converted(self, node: Any, most: int | None) -> Array | None:
        if node.op_type not in ("Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze"):
            return None
        value = self.constant(node.input[0], most)
        if value is None or node.op_type == "Identity":
            return value
        from onnx import helper

        given = attributes(node)
        if node.op_type == "Cast":
            return value.astype(helper.tensor_dtype_to_np_dtype(given["to"]))
        target = self.constant(node.input[1]) if len(node.input) > 1 else np.array(given.get("axes", ()), np.int64)
        if target is None:
            return None
        if node.op_type == "Reshape":
            return value.reshape([int(side) for side in target])
        axes = tuple(int(axis) for axis in target)
        if node.op_type == "Squeeze":
            return np.squeeze(value, axes or None)
        return np.expand_dims(value, axes)


def read_by(node: Any) -> Iterator[str]:
    """Names of all values that a node reads, also in its branches; those made inside them count, too."""
    yield from node.input
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from read_by(inner)
        yield from (entry.name for entry in graph.output)


def inline(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model without functions of its own: each call becomes the nodes of the function."""
    if not model.functions:
        return model
    from onnx import inliner

    return inliner.inline_local_functions(model)


def rename(model: "onnx.ModelProto", prefix: str) -> None:
    """Put `prefix` before the names of all values and nodes, in branches and loops, too.

    As every occurrence of a name changes alike, values of an outer graph that a branch reads stay connected.
    """
    for graph in graphs(model):
        for node in graph.node:
            node.name = prefix + node.name if node.name else ""
            for names in (node.input, node.output):
                names[:] = [prefix + name if name else "" for name in names]
        for entry in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            entry.name = prefix + entry.name
        for sparse in graph.sparse_initializer:
            sparse.values.name = prefix + sparse.values.name
        del graph.quantization_annotation[:]  # remarks, by the old names


def prune(model: "onnx.ModelProto", outputs: Iterable[str]) -> None:
    """Remove nodes and constants that no output needs."""
    makers = {name: node for node in model.graph.node for name in node.output}
    waiting, needed = list(outputs), set[str]()
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if node := makers.get(name):
            waiting += [other for other in read_by(node) if other]
    kept = [node for node in model.graph.node if needed & set(node.output)]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for entries in (model.graph.initializer, model.graph.input):
        used = [entry for entry in entries if entry.name in needed or entry.name == "image"]
        del entries[:]
        entries.extend(used)
