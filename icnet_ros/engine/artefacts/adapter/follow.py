"""Follows the output of a network back to its logits, through operators that the engine can do itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array, Graph, attributes
from icnet_ros.engine.artefacts.adapter.resize import NotExactError, interpolation
from icnet_ros.engine.tail import Interpolation

LONGEST = 24  # operators that are looked at
FOLLOWED = {
    "Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "ArgMax", "Softmax", "LogSoftmax",
    "Sigmoid", "Exp", "Log", "Clip", "Resize",
}  # fmt: skip
# An operator that keeps the order of the classes only behind one of these.
ONLY_BEHIND = {"Exp": {"LogSoftmax"}, "Log": {"Softmax", "Sigmoid"}, "Clip": {"Softmax", "Sigmoid"}}
LAYOUTS = {  # axes of classes (None for labels), rows and columns
    "nchw": (1, 2, 3), "nhwc": (3, 1, 2), "nhw": (None, 1, 2), "n1hw": (None, 2, 3), "nhw1": (None, 1, 2),
    "chw": (0, 1, 2), "hwc": (2, 0, 1), "hw": (None, 0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """Where the engine takes over.

    value: its name in the graph. axes: those of classes, rows and columns. operators: what the engine replaces, in the
    order of the graph. interpolation: among them, None if there is none. activation: whether a softmax or sigmoid is
    among them, so that the values are logits. reason: why nothing further was replaced.
    """

    value: str
    axes: tuple[int, int, int]
    operators: tuple[str, ...] = ()
    interpolation: Interpolation | None = None
    activation: bool = False
    reason: str = ""


@dataclass
class _At:
    """A value on the way back.

    axes: of classes (None for labels), rows and columns. one: it has one channel, whose axis is None while it is
    missing.
    """

    axes: tuple[int | None, int, int]
    one: bool = False
    operators: list[str] = field(default_factory=list)
    interpolation: Interpolation | None = None
    activation: bool = False
    only: set[str] | None = None  # of the next operator, see ONLY_BEHIND


def chain(graph: Graph, output: str) -> list[Any]:
    """Nodes from the output back, as far as they may belong to its tail."""
    nodes: list[Any] = []
    while (node := graph.makers.get(output)) is not None and node.op_type in FOLLOWED and len(nodes) < LONGEST:
        nodes.append(node)
        output = node.input[0]
    return nodes


def watched(nodes: Sequence[Any]) -> list[str]:
    """Values whose shapes or contents `follow` needs, besides the output."""
    names = [node.input[0] for node in nodes]
    names += [node.input[2] for node in nodes if node.op_type == "Resize" and len(node.input) > 2 and node.input[2]]
    return list(dict.fromkeys(names))


def follow(
    graph: Graph,
    output: str,
    layout: str,
    classes: int,
    networks: Sequence[tuple[int, int]],
    values: Sequence[Mapping[str, Array]],
) -> Cut | str:
    """The cut furthest back; a text that says why there is none.

    classes: channels of the output; 1 also if it has no axis for the channel. networks: size (height, width) of the
    network's input for each image of a probe. values: those of `watched` and the output, for each.
    """
    at, found, reason = _At(LAYOUTS[layout], classes == 1), None, ""
    for node in chain(graph, output):
        if at.only is not None and node.op_type not in {*at.only, "Identity", "Cast", "Transpose"}:
            break
        try:
            at = _behind(graph, node, at, values)
        except NotExactError as err:
            reason = str(err)
            break
        if node.op_type == "Resize":
            reason = _why_not(node, at, networks, values)
            if reason:
                break
        source = values[0][node.input[0]]
        committing = node.op_type in ("ArgMax", "Softmax", "LogSoftmax", "Sigmoid", "Resize")
        if committing and at.axes[0] is not None and source.ndim == 4 and source.shape[at.axes[0]] == classes:
            axes = at.axes[0], at.axes[1], at.axes[2]
            if sorted(axes) != [1, 2, 3]:
                reason = "the axes of its output are mixed"
                break
            found = Cut(node.input[0], axes, tuple(reversed(at.operators)), at.interpolation, at.activation)
        if at.interpolation is not None and not at.interpolation.rounding:
            before = graph.makers.get(node.input[0])
            if before is not None and before.op_type in ("Resize", "Upsample"):
                reason = "another interpolation stays in the network and may take most of the time"
            break  # only the engine's own operators may follow a bilinear interpolation
    if found is None:
        return reason or "its output is not followed by an operator that the engine replaces"
    return replace(found, reason=reason)


def _behind(graph: Graph, node: Any, at: _At, values: Sequence[Mapping[str, Array]]) -> _At:
    """The value that a node reads, seen from the one that it makes. Raises NotExactError."""
    operators = [*at.operators, *([] if node.op_type == "Identity" else [node.op_type])]
    given = attributes(node)
    shape = values[0][node.input[0]].shape
    axes = at.axes
    if node.op_type in ("Identity", "Cast", "Transpose"):
        if node.op_type == "Cast" and at.axes[0] is not None:
            _check_cast(node, values)
        if node.op_type == "Transpose":
            axes = _transposed(axes, list(given.get("perm", range(len(shape))[::-1])))
        return replace(at, axes=axes, operators=operators)
    if node.op_type in ONLY_BEHIND:
        if at.axes[0] is None:
            raise NotExactError(f"{node.op_type} of labels")
        if node.op_type == "Clip":
            _check_clip(graph, node, given)
        return replace(at, operators=operators, only=ONLY_BEHIND[node.op_type])
    if node.op_type in ("Squeeze", "Unsqueeze", "Reshape", "Flatten"):
        axes = _reshaped(axes, node, values)
        if at.one and axes[0] is None and len(shape) == 4 and 0 not in axes:
            axes = 6 - axes[1] - axes[2], axes[1], axes[2]  # of 1, 2 and 3 the one that is neither rows nor columns
        return replace(at, axes=axes, operators=operators)
    if node.op_type == "ArgMax":
        return replace(at, axes=_of_argmax(axes, given, len(shape)), operators=operators)
    if node.op_type == "Resize":
        if at.interpolation is not None:
            raise NotExactError("two interpolations follow each other")
        plane = at.axes[1], at.axes[2]
        shapes = [(one[node.input[0]].shape, one[node.output[0]].shape) for one in values]
        name = node.input[2] if len(node.input) > 2 else ""
        scales = [one[name] if name else np.empty(0) for one in values]
        found = interpolation(node, plane, shapes, scales)
        if at.axes[0] is None and not at.one and not found.rounding:
            raise NotExactError("labels are interpolated")
        operators[-1] = f"Resize ({found})"
        return replace(at, operators=operators, interpolation=found)
    if at.axes[0] is None and not (at.one and node.op_type == "Sigmoid"):
        raise NotExactError(f"{node.op_type} of labels")
    if at.activation:
        raise NotExactError(f"{node.op_type} and another activation follow each other")
    if node.op_type != "Sigmoid" and at.axes[0] is not None:
        _check_softmax(graph.opset, given, at.axes[0], len(shape))
    return replace(at, operators=operators, activation=True, only=None)


def _check_cast(node: Any, values: Sequence[Mapping[str, Array]]) -> None:
    for name in (node.input[0], node.output[0]):
        if not np.issubdtype(values[0][name].dtype, np.floating):
            raise NotExactError("Cast of logits to or from whole numbers")


def _transposed(axes: tuple[int | None, int, int], perm: list[int]) -> tuple[int | None, int, int]:
    classes, rows, columns = axes
    return None if classes is None else perm[classes], perm[rows], perm[columns]


def _check_clip(graph: Graph, node: Any, given: Mapping[str, Any]) -> None:
    """Raise NotExactError unless it keeps all of 0..1."""
    bounds = [given.get("min", -np.inf), given.get("max", np.inf)]  # opset 11 and newer have them as inputs
    for side, name in enumerate(node.input[1:3]):
        if name:
            value = graph.constant(name)
            if value is None:
                raise NotExactError("Clip with computed limits")
            bounds[side] = float(value)
    if not (bounds[0] <= 0 and bounds[1] >= 1):
        raise NotExactError(f"Clip to {bounds[0]:g}..{bounds[1]:g}")


def _reshaped(
    axes: tuple[int | None, int, int], node: Any, values: Sequence[Mapping[str, Array]]
) -> tuple[int | None, int, int]:
    """Axes before an operator that adds or removes axes of length 1 only."""
    found: set[tuple[int | None, int, int]] = set()
    for one in values:
        before, after = one[node.input[0]].shape, one[node.output[0]].shape
        long_before = [axis for axis, side in enumerate(before) if side != 1]
        long_after = [axis for axis, side in enumerate(after) if side != 1]
        if [before[axis] for axis in long_before] != [after[axis] for axis in long_after]:
            raise NotExactError(f"{node.op_type} joins or splits axes")
        places = dict(zip(long_after, long_before, strict=True))
        if any(axis is not None and axis not in places for axis in axes):
            raise NotExactError(f"{node.op_type} of a side of length 1")
        classes, rows, columns = axes
        found.add((None if classes is None else places[classes], places[rows], places[columns]))
    if len(found) != 1:
        raise NotExactError(f"{node.op_type} depends on the size")
    return found.pop()


def _of_argmax(axes: tuple[int | None, int, int], given: Mapping[str, Any], rank: int) -> tuple[int | None, int, int]:
    if axes[0] is not None:
        raise NotExactError("ArgMax follows ArgMax")
    if given.get("select_last_index", 0):
        raise NotExactError("ArgMax takes the last of equal classes")
    classes = given.get("axis", 0) % rank
    rows, columns = (axis + (not given.get("keepdims", 1) and axis >= classes) for axis in axes[1:] if axis is not None)
    if classes in (0, rows, columns):
        raise NotExactError("ArgMax is not over the classes")
    return classes, rows, columns


def _check_softmax(opset: int, given: Mapping[str, Any], classes: int, rank: int) -> None:
    axis = given.get("axis", 1 if opset < 13 else -1) % rank
    if axis != classes or (opset < 13 and axis != rank - 1):  # before opset 13 over all axes from there on
        raise NotExactError("Softmax is not over the classes")


def _why_not(node: Any, at: _At, networks: Sequence[tuple[int, int]], values: Sequence[Mapping[str, Array]]) -> str:
    """Why the engine cannot do an interpolation; empty if it can: it gives an output as large as the input."""
    for network, one in zip(networks, values, strict=True):
        # Behind a transposition or ArgMax the axes were those of the value read; Resize keeps them.
        shape = one[node.output[0]].shape
        size = shape[at.axes[1]], shape[at.axes[2]]
        if size != network:
            return f"Resize gives {size[1]}x{size[0]} for an input of {network[1]}x{network[0]}"
    return ""
