"""Where the axes of a network's output are."""

import numpy as np

from icnet_ros.checkpoint.onnx_file import OnnxNetwork
from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.artefacts.adapter.follow import LAYOUTS
from icnet_ros.engine.base import EngineError

Shape = tuple[int, ...]
BOX = 4  # values of a box, beside those of its classes


def layout_of(source: str, values: Array, labels: bool, network: OnnxNetwork) -> tuple[str, bool]:
    """A key of `follow.LAYOUTS` for an output, and whether it has one channel for two classes.

    labels: whether it is class ids. source: of the network, for errors. Raises EngineError.
    """
    classes, shape = len(network.spec.classes), values.shape
    found = _of_labels(shape) if labels else _of_channels(shape, classes)
    one = not labels and not found and classes == 2
    if one:
        found = _of_channels(shape, 1) or _of_labels(shape)
        narrow = len(shape) == 3 and min(shape[1:]) <= BOX + classes  # values of both classes or of boxes, no pixels
        if narrow or (network.output_kind is None and _whole(values) and values.max() > 1):
            found = []
    if network.input.layout in found:  # of a fixed size, with a map as wide as there are classes: looks like both
        found = [network.input.layout]
    if len(found) != 1:
        kind = "labels" if labels else network.output_kind or "logits"
        wanted = "1 x height x width" if labels else f"1 x {classes} x height x width"
        raise EngineError(
            f"{source}: its output is {' x '.join(map(str, shape))}; {kind} of {classes} classes are {wanted}: "
            + _reason(values, labels, classes)
        )
    return found[0], one


def four_axes(layout: str) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Axes of classes, rows and columns once an output of channels has four, and those that it lacks.

    layout: also "nhw" and "hw", of one channel without its axis.
    """
    classes, rows, columns = LAYOUTS[layout]
    if classes is None:
        return (1, 2, 3), (1,) if rows == 1 else (0, 1)
    if 0 in (classes, rows, columns):
        return (classes + 1, rows + 1, columns + 1), (0,)
    return (classes, rows, columns), ()


def _of_labels(shape: Shape) -> list[str]:
    if len(shape) == 2:
        return [] if 1 in shape else ["hw"]
    if len(shape) == 3:
        return ["nhw"] if shape[0] == 1 and 1 not in shape[1:] else []
    if len(shape) != 4 or shape[0] != 1:
        return []
    return [layout for layout, axis in (("n1hw", 1), ("nhw1", 3)) if shape[axis] == 1]


def _of_channels(shape: Shape, channels: int) -> list[str]:
    if len(shape) == 4 and shape[0] == 1:
        return [layout for layout, axis in (("nchw", 1), ("nhwc", 3)) if shape[axis] == channels]
    if len(shape) == 3 and 1 not in shape:
        return [layout for layout, axis in (("chw", 0), ("hwc", 2)) if shape[axis] == channels]
    return []


def _whole(values: Array) -> bool:
    return bool((values == np.round(values)).all())


def _reason(values: Array, labels: bool, classes: int) -> str:
    """What an output of another shape probably is, and what to do."""
    shape = values.shape
    if len(shape) in (2, 3) and shape[0] == 1 and (len(shape) == 2 or {1, classes} & set(shape[1:])):
        return "its pixels are in one axis: export before they are flattened, or with a fixed input size"
    if not labels and _of_labels(shape) and _whole(values):
        return "these are whole numbers and look like labels: add output_kind: labels"
    if len(shape) == 4 and shape[0] != 1:
        return f"{shape[0]} masks of objects are not a semantic map: export a network for semantic segmentation"
    if not labels and len(shape) == 4 and 1 in (shape[1], shape[3]):
        return "one channel of logits or of a sigmoid is for a table of two classes, the background first"
    if not labels and len(shape) == 3 and shape[0] == 1:
        return (
            "boxes, or classes of queries, are not a semantic map: name the output with the map, or export a network "
            "for semantic segmentation"
        )
    return "the class table belongs to another network, or output or output_kind is wrong"
