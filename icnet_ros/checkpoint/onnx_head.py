"""Normalisation inside an ONNX network: what it does to pixels before its first layer."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from icnet_ros.checkpoint.onnx_description import three
from icnet_ros.checkpoint.onnx_graph import Array, Graph, attributes
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec

log = logging.getLogger(__name__)
LONGEST = 16  # operators that are looked at
USUAL = 0.4, 12.0  # width of the range of a normalised image: 1 for 0..1, 2 for -1..1, 4.4 for ImageNet's std
RAW = 100.0, 300.0  # the same width, of an image that is not divided
CENTRED = 2.0  # a smaller mean is subtracted from pixels of 0..1, a larger one from pixels of 0..255


@dataclass(frozen=True)
class Head:
    """What a network does to its input, channel by channel: factor * value + offset.

    swapped: whether it reverses the channels afterwards. value_range: 1 or 255, of the values that it is made for;
    None if that cannot be told.
    """

    factor: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    swapped: bool = False
    value_range: int | None = None

    @property
    def normalises(self) -> bool:
        """Whether it changes the values."""
        return self.factor != (1.0, 1.0, 1.0) or self.offset != (0.0, 0.0, 0.0)

    @property
    def mean(self) -> tuple[float, float, float]:
        """As `ModelSpec.mean`, of pixels of 0..255."""
        scale = 255 / (self.value_range or 255)
        first, second, third = (-b / a * scale for a, b in zip(self.factor, self.offset, strict=True))
        return first, second, third

    @property
    def std(self) -> tuple[float, float, float]:
        """As `ModelSpec.std`, of pixels of 0..255."""
        scale = 255 / (self.value_range or 255)
        first, second, third = (scale / a for a in self.factor)
        return first, second, third

    def __str__(self) -> str:
        if not self.normalises:
            return "none" + (", channels swapped" if self.swapped else "")
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"(pixel - ({mean})) / ({std}) of pixels 0..255" + (", channels swapped" if self.swapped else "")


def head_of(model: Any, folder: str, name: str, layout: str, element: str) -> Head:
    """The normalisation after the input `name`. layout: "nchw" or "nhwc". element: its type, "uint8" or a float type.

    folder: of the model's file.
    """
    graph, value = Graph(model, folder), name
    channels = 1 if layout == "nchw" else 3
    factor, offset = np.ones(3), np.zeros(3)
    swapped, known = False, 255 if element == "uint8" else None
    for _ in range(LONGEST):
        node = _only_user(graph, value)
        if node is None:
            joined = _joined_backwards(graph, graph.users(value), channels)
            if joined is None:
                break
            factor, offset, swapped, value = factor[::-1], offset[::-1], not swapped, joined.output[0]
            continue
        if node.op_type == "Transpose":
            channels = list(attributes(node).get("perm", (3, 2, 1, 0))).index(channels)
        elif node.op_type in ("Sub", "Add", "Mul", "Div"):
            change = _arithmetic(graph, node, value, channels)
            if change is None:
                break
            factor, offset = factor * change[0], offset * change[0] + change[1]
        elif node.op_type == "Cast":
            known = 255 if attributes(node)["to"] == 2 else known  # TensorProto.UINT8
        elif node.op_type == "Clip":
            limited = _range_of_clip(graph, node, factor, offset)
            if limited is None or known not in (None, limited):
                break
            known = limited
        elif node.op_type in ("Gather", "Slice"):
            if not _reverses(graph, node, channels):
                break
            factor, offset, swapped = factor[::-1], offset[::-1], not swapped
        elif node.op_type == "Split":
            joined = _joined_backwards(graph, [node], channels)
            if joined is None:
                break
            factor, offset, swapped, node = factor[::-1], offset[::-1], not swapped, joined
        elif node.op_type != "Identity":
            break
        value = node.output[0]
    if not (np.isfinite(factor).all() and np.isfinite(offset).all() and (factor > 0).all()):
        return Head(value_range=known)
    if swapped:  # given in the order of the input
        factor, offset = factor[::-1], offset[::-1]
    return Head(_three(factor), _three(offset), swapped, known or _range(factor, offset))


def complete(values: Mapping[str, Any], head: Head, source: str) -> dict[str, Any]:
    """The entries of a description, with those of the normalisation where the network does it itself.

    Nothing is applied twice: a description of what the network does counts as nothing to do before it. Raises
    CheckpointError for a value_range that the network's own normalisation contradicts. source: for errors.
    """
    found = dict(values)
    if not head.normalises:
        return found
    given = "mean" in values or "std" in values
    if given and head.value_range and _same(values, head):
        return found | {"mean": [0, 0, 0], "std": [1, 1, 1], "value_range": head.value_range}
    if not given:
        found |= {"mean": [0, 0, 0], "std": [1, 1, 1]}
    if head.value_range is None:
        return found
    if values.get("value_range", head.value_range) != head.value_range:
        raise CheckpointError(
            f"{source}: value_range is {values['value_range']!r}, but the network itself normalises values of "
            f"0..{head.value_range}: {head}. Leave out value_range, mean and std"
        )
    return found | {"value_range": head.value_range}


def check_numbers(spec: ModelSpec, value_range: int, head: Head, source: str) -> None:
    """Raise CheckpointError if a network would get numbers that no image has, and the other value_range is right.

    value_range: of the description from which `spec` was made. If the other one is not right, either, there is a
    warning: nobody knows what this network takes. source: for both.
    """
    widths = 255 * np.array(head.factor) / spec.std
    zeros = np.array(spec.mean) / 255
    other = 1 if value_range == 255 else 255
    if _is_image(widths, zeros, value_range, head):
        return
    black, white = (
        np.array(head.factor) * (pixel - np.array(spec.mean)) / spec.std + head.offset for pixel in (0, 255)
    )
    said = (
        f"{source}: with value_range {value_range} and this mean and std the network gets values of "
        f"{black.min():.4g} to {white.max():.4g}, which no image has"
    )
    ratio = other / value_range
    if _is_image(widths * ratio, zeros / ratio, other, head):
        raise CheckpointError(f"{said}: mean and std are those of value_range: {other}")
    log.warning("%s: compare value_range, mean and std with those of its training", said)


def _is_image(widths: Array, zeros: Array, value_range: int, head: Head) -> bool:
    """Whether values may be those of an image.

    widths: of their range, for each channel. zeros: places in the range of the pixels, 0..1, that become 0.
    """
    usual = any(least <= float(widths.mean()) <= most for least, most in (USUAL, RAW))
    if head.normalises:  # moves the values, too
        return usual
    tiny = value_range == 255 and 0 < zeros.max() <= 1 / 255  # a mean of pixels 0..1
    return usual and not tiny and zeros.min() >= -1 and zeros.max() <= 2


def _same(values: Mapping[str, Any], head: Head) -> bool:
    """Whether a description says what the network does itself; also in the other order of the channels.

    A network that swaps the channels takes BGR and normalises RGB: its mean may be written in either order.
    """
    try:
        scale = 255 / values.get("value_range", head.value_range)
        said = np.array([three(values.get("mean", 0)), three(values.get("std", 1))], np.float64) * scale
        own = np.array([head.mean, head.std])
        return said.shape == (2, 3) and any(np.allclose(said, one, rtol=0.02, atol=1.0) for one in (own, own[:, ::-1]))
    except (TypeError, ValueError, ZeroDivisionError):
        return False  # the description is checked later


def _three(values: Array) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _range(factor: Array, offset: Array) -> int | None:
    """Of the values for which a normalisation is made."""
    least, most = USUAL
    if np.allclose(factor, 1):
        if not np.abs(offset).max():
            return None
        return 255 if np.abs(offset).max() > CENTRED else 1
    for value_range in (1, 255):
        if least <= float(factor.mean()) * value_range <= most:
            return value_range
    return None


def _only_user(graph: Graph, value: str) -> Any:
    """The node that reads a value, if it is the only one besides those that read its shape."""
    users = [node for node in graph.users(value) if node.op_type not in ("Shape", "Size")]
    return users[0] if len(users) == 1 else None


def _arithmetic(graph: Graph, node: Any, value: str, channels: int) -> tuple[Array, Array] | None:
    """(factor, offset) of an operator with a constant for each channel or for all; None for another one."""
    if list(node.input).count(value) != 1:
        return None
    first = node.input[0] == value
    constant = graph.constant(node.input[1 if first else 0])
    if constant is None or (node.op_type == "Div" and not first):
        return None
    known = _per_channel(constant, channels)
    if known is None:
        return None
    if node.op_type in ("Mul", "Div"):
        return (known if node.op_type == "Mul" else 1 / np.where(known == 0, np.nan, known)), np.zeros(3)
    if node.op_type == "Sub":
        return (np.ones(3), -known) if first else (-np.ones(3), known)
    return np.ones(3), known


def _per_channel(constant: Array, channels: int) -> Array | None:
    """A constant that is broadcast to an image of rank 4, as three values."""
    shape = (1,) * (4 - constant.ndim) + constant.shape
    if constant.size == 1:
        return np.full(3, float(constant.reshape(-1)[0]))
    if constant.size != 3 or len(shape) != 4 or shape[channels] != 3:
        return None
    return constant.reshape(3).astype(np.float64)


def _reverses(graph: Graph, node: Any, channels: int) -> bool:
    """Whether a Gather or Slice takes the channels from the last to the first."""
    if node.op_type == "Gather":
        indices = graph.constant(node.input[1])
        return attributes(node).get("axis", 0) % 4 == channels and indices is not None and indices.tolist() == [2, 1, 0]
    parts = [graph.constant(name) for name in node.input[1:]]
    if len(parts) != 4 or any(part is None or part.size != 1 for part in parts):
        return False
    start, end, axis, step = (int(part.reshape(-1)[0]) for part in parts if part is not None)
    return axis % 4 == channels and step == -1 and start in (-1, 2) and end < -3


def _range_of_clip(graph: Graph, node: Any, factor: Array, offset: Array) -> int | None:
    """1 or 255 for a Clip that ends where pixels of 0..1 or 0..255 do, so that it changes none; None for another."""
    bounds = [graph.constant(name) if name else None for name in node.input[1:3]]
    if len(bounds) != 2 or bounds[0] is None or bounds[1] is None or (bounds[0] > offset.min()).any():
        return None
    return next((one for one in (1, 255) if np.allclose(factor * one + offset, bounds[1], rtol=1e-3)), None)


def _joined_backwards(graph: Graph, nodes: Sequence[Any], channels: int) -> Any:
    """The Concat that joins all three channels in the other order; None if there is none.

    nodes: a Split, or what takes single channels: Slice, Gather, with or without an Unsqueeze.
    """
    parts: dict[str, int] = {}  # place of the channel by name of the value
    for node in nodes:
        if node.op_type == "Split" and attributes(node).get("axis", 0) % 4 == channels and len(node.output) == 3:
            parts |= {name: place for place, name in enumerate(node.output)}
        elif (place := _channel(graph, node, channels)) is not None:
            users = graph.users(node.output[0])
            alone = users[0] if len(users) == 1 and users[0].op_type == "Unsqueeze" else node
            parts[alone.output[0]] = place
        elif node.op_type not in ("Shape", "Size"):
            return None  # the network also uses the channels in their own order
    joined = {id(user): user for name in parts for user in graph.users(name)}
    if len(joined) != 1:
        return None
    last = next(iter(joined.values()))
    backwards = [parts.get(name) for name in last.input] == [2, 1, 0]
    return last if last.op_type == "Concat" and attributes(last)["axis"] % 4 == channels and backwards else None


def _channel(graph: Graph, node: Any, channels: int) -> int | None:
    """Which channel a Slice or Gather takes; None if it takes none or several."""
    if node.op_type == "Gather":
        index = graph.constant(node.input[1])
        one = attributes(node).get("axis", 0) % 4 == channels and index is not None and index.size == 1
        return int(index.reshape(-1)[0]) % 3 if one and index is not None else None
    if node.op_type != "Slice" or len(node.input) < 4:
        return None
    parts = [graph.constant(name) for name in node.input[1:]]
    if any(part is None or part.size != 1 for part in parts):
        return None
    start, end, axis, *step = (int(part.reshape(-1)[0]) for part in parts if part is not None)
    taken = range(3)[start:end]
    return taken[0] if axis % 4 == channels and step in ([], [1]) and len(taken) == 1 else None
