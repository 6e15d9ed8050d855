"""Where the axes of a network's output are."""

from collections.abc import Sequence

from icnet_ros.checkpoint.onnx_file import OnnxNetwork
from icnet_ros.engine.artefacts.adapter.follow import LAYOUTS
from icnet_ros.engine.base import EngineError


def layout_of(source: str, shape: Sequence[int], labels: bool, network: OnnxNetwork) -> tuple[str, bool]:
    """A key of `follow.LAYOUTS` for an output of this shape, and whether it has one channel for two classes.

    labels: whether the output is class ids. source: of the network, for errors. Raises EngineError.
    """
    classes = len(network.spec.classes)
    shape = tuple(shape)
    if labels:
        found = _matching({"nhw": len(shape) == 3, "n1hw": shape[1:2] == (1,), "nhw1": shape[3:4] == (1,)}, shape)
    else:
        found = _matching({"nchw": shape[1:2] == (classes,), "nhwc": shape[3:4] == (classes,)}, shape)
    one = not labels and not found and classes == 2
    if one:
        found = _matching({"nhw": len(shape) == 3, "nchw": shape[1:2] == (1,), "nhwc": shape[3:4] == (1,)}, shape)
    if network.input.layout in found:  # of a fixed size, with a map as wide as there are classes: looks like both
        found = [network.input.layout]
    if len(found) != 1 or shape[0] != 1:
        kind = "labels" if labels else network.output_kind or "logits"
        wanted = "1 x height x width" if labels else f"1 x {classes} x height x width"
        raise EngineError(
            f"{source}: its output is {' x '.join(map(str, shape))}; {kind} of {classes} classes are {wanted}: "
            f"the class table belongs to another network, or output or output_kind is wrong{_advice(shape, classes)}"
        )
    return found[0], one


def four_axes(layout: str) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Axes of classes, rows and columns once an output of this layout has four, and those that it lacks."""
    classes, rows, columns = LAYOUTS[layout]
    if classes is None:
        return (1, 2, 3), (1,)
    return (classes, rows, columns), ()


def _matching(layouts: dict[str, bool], shape: tuple[int, ...]) -> list[str]:
    return [layout for layout, fits in layouts.items() if fits and (len(shape) == 4 or layout == "nhw")]


def _advice(shape: tuple[int, ...], classes: int) -> str:
    if classes != 2 and len(shape) == 4 and 1 in (shape[1], shape[3]):
        return ". One channel of logits or of a sigmoid is for a table of two classes: the background first"
    return ""
