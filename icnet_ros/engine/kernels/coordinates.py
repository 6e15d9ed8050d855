"""Where the pixels of a label map lie in the logits of a network that ends in an interpolation."""

import numpy as np
import numpy.typing as npt

from icnet_ros.engine.tail import Interpolation

Weight = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
# Of rows and of columns: the source coordinate at or before each target coordinate, and the weight of the next one.
Axes = tuple[Index, Weight, Index, Weight]
TIE = 1e-6  # what is so near to a half is one for ONNX Runtime (1.32)


def network_axes(
    logits: tuple[int, int], labels: tuple[int, int], network: tuple[int, int], interpolation: Interpolation
) -> Axes:
    """For each row and column of the labels its place in the logits.

    network: size of the network's input. A pixel of the label map is found in the network's own output as the image
    was resized to the network's input (edges aligned), then in the logits as the network's interpolation has it. All
    sizes are (height, width).
    """
    rows, columns = (
        _axis(logits[side], labels[side], network[side], interpolation, side)
        for side in (0, 1)
    )  # fmt: skip
    return *rows, *columns


def affine(source: int, target: int, network: int, interpolation: Interpolation, side: int) -> tuple[float, float]:
    """Source pixels per target pixel, and the source position of target pixel 0, before it is limited to the logits.

    As `network_axes`, for bilinear interpolation on a device to a network's output that is not smaller than its
    logits, up to float rounding.
    """
    scale = interpolation.scales[side] if interpolation.scales else network / source
    output = int(source * scale) if interpolation.scales else network
    slope, start = {
        "align_corners": ((source - 1) / max(output - 1, 1), 0.0),
        "asymmetric": (1 / scale, 0.0),
    }.get(interpolation.coordinates, (1 / scale, 0.5 / scale - 0.5))
    ratio = output / target
    return slope * ratio, slope * (0.5 * ratio - 0.5) + start


def _axis(source: int, target: int, network: int, interpolation: Interpolation, side: int) -> tuple[Index, Weight]:
    # In float32 and in this order, as ONNX Runtime computes it: nearest neighbours depend on it.
    scale = np.float32(interpolation.scales[side] if interpolation.scales else network / source)
    output = int(np.float32(source) * scale) if interpolation.scales else network
    x = np.arange(target, dtype=np.float32)
    if target != output:
        x = (x + np.float32(0.5)) * np.float32(output / target) - np.float32(0.5)
        x = np.clip(x, 0, np.float32(output - 1))
    if interpolation.coordinates == "align_corners":
        x = x * np.float32(source - 1) / np.float32(max(output - 1, 1))
    elif interpolation.coordinates == "asymmetric":
        x = x / scale
    elif interpolation.coordinates == "pytorch_half_pixel" and output == 1:
        x = x * 0
    else:
        x = (x + np.float32(0.5)) / scale - np.float32(0.5)
    if interpolation.rounding:
        index = np.clip(_round(x, interpolation.rounding), 0, source - 1).astype(np.int64)
        return index, np.zeros(target, np.float32)
    x = np.clip(x, 0, np.float32(source - 1))
    index = x.astype(np.int64)
    return index, x - index.astype(np.float32)


def _round(position: Weight, rounding: str) -> npt.NDArray[np.float64]:
    x = position.astype(np.float64)  # in float32 0.49999997 + 0.5 is 1
    if rounding == "floor":
        return np.floor(x)
    if rounding == "ceil":
        return np.ceil(x)
    return np.ceil(x - 0.5 - TIE) if rounding == "round_prefer_floor" else np.floor(x + 0.5 + TIE)
