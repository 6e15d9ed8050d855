"""Runs a network on two pictures that are not symmetrical, and compares places in the picture and in its output."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError, UInt8, one_line

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)
SMALLEST = 128  # rows of the pictures, unless the network takes only one size
COARSEST = 64  # pixels of the picture for each of the output
ROUNDED_TO = (2, 4, 8, 16, 32, 64)  # sizes that networks with so many halvings take
# The bright patch, as shares of height and width: no reflection, rotation or transposition puts it where it is.
PATCH_ROWS, PATCH_COLUMNS = (0.1, 0.3), (0.74, 0.94)
FARTHEST = 0.12  # share of height and width by which the output may be off, besides its own pixels
CLEARLY = 2.0  # times as large
WINDOW = 0.4  # share of height and width in which changes are added up
SPREAD = 0.3  # of all changes in such a window; less in every window are changes of the whole output
FEWEST = 0.002  # share of the labels that a patch must change to be seen, of which it covers 0.04


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 (H, W, 3), in the network's channel order."""

    pixels: UInt8

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, spec: ModelSpec) -> Array:
        """As engines hand it to a network: float32 (1, 3, H, W), normalised."""
        mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
        return np.ascontiguousarray(((self.pixels.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None])

    def with_patch(self) -> "Picture":
        """The same with a bright patch near one corner."""
        pixels = self.pixels.copy()
        rows, columns = (
            slice(int(first * side), int(last * side))
            for (first, last), side in zip((PATCH_ROWS, PATCH_COLUMNS), self.size, strict=True)
        )
        pixels[rows, columns] = 255 - pixels[rows, columns] // 8
        return Picture(pixels)


def probe_sizes(spec: ModelSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two sizes (height, width) at which a network is tried; sides differ from each other and from the classes."""
    if spec.input_size is not None:
        return spec.input_size, spec.input_size
    classes, multiple = len(spec.classes), spec.size_multiple
    height = smallest = -(-SMALLEST // multiple) * multiple
    while any(round(side / 2**stride) == classes for side in (height, height + smallest) for stride in range(6)):
        height += multiple
    # The second one has another shape, and is odd if the network takes that.
    return (height, height + smallest), (height + 3 * multiple, height + multiple)


def pictures(spec: ModelSpec, size: tuple[int, int] | None = None) -> tuple[Picture, Picture]:
    """Smooth noise with grain, dark enough for a bright patch, of both `probe_sizes`, or of `size`."""
    found = []
    for seed, (height, width) in enumerate((size, size) if size else probe_sizes(spec)):
        generator = np.random.default_rng(seed)
        coarse = generator.uniform(0, 180, (5, 7, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        grain = generator.normal(0, 25, (height, width, 3))
        found.append(Picture(np.clip(smooth + grain, 0, 255).astype(np.uint8)))
    return found[0], found[1]


def run(
    source: str, model: "onnx.ModelProto", name: str, images: Sequence[Array], wanted: Sequence[str]
) -> list[dict[str, Array]]:
    """Values by name for each image, in ONNX Runtime. name: of the input. Raises EngineError.

    The values may be any of the main graph; the model stays as it is.
    """
    import onnx
    import onnxruntime

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {entry.name for entry in whole.graph.output}
    whole.graph.output.extend([onnx.ValueInfoProto(name=one) for one in wanted if one not in known])
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(whole.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        results = [session.run(list(wanted), {name: image}) for image in images]
    except Exception as err:  # the runtime raises many exception types
        shape = "x".join(str(side) for side in images[0].shape)
        raise EngineError(f"{source}: ONNX Runtime cannot run it at {shape}: {one_line(err)}") from err
    return [{key: np.asarray(value) for key, value in zip(wanted, one, strict=True)} for one in results]


def shapes(
    source: str, model: "onnx.ModelProto", name: str, image: Array, wanted: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of values by name, as `run`, without keeping the values. Raises EngineError."""
    import onnx

    measuring = onnx.ModelProto()
    measuring.CopyFrom(model)
    del measuring.graph.output[:]
    outputs = {value: f"shape/{value}" for value in wanted}
    measuring.graph.node.extend([onnx.helper.make_node("Shape", [value], [out]) for value, out in outputs.items()])
    found = run(source, measuring, name, [image], list(outputs.values()))[0]
    return {value: tuple(int(side) for side in found[out]) for value, out in outputs.items()}


def check_shapes(source: str, pictures: Sequence[Picture], outputs: Sequence[Array]) -> None:
    """`check_shape` of each output (h, w, channels); also raises EngineError if they are one size for two pictures."""
    sizes = [(one.shape[0], one.shape[1]) for one in outputs]
    shown = {picture.size for picture in pictures}
    if len(shown) > 1 and len(set(sizes)) == 1 and not _coarse(max(shown), sizes[0]):
        raise EngineError(
            f"{source}: its output is {sizes[0][1]}x{sizes[0][0]} for pictures of any size: a size inside it is fixed. "
            "Export it with a fixed input size"
        )
    for picture, size in zip(pictures, sizes, strict=True):
        check_shape(source, picture.size, size)


def check_shape(source: str, picture: tuple[int, int], output: tuple[int, int]) -> None:
    """Raise EngineError unless an output (height, width) can cover a picture of this size.

    It has the picture's aspect, up to one pixel of its own, and is not pooled to a few pixels.
    """
    (height, width), (rows, columns) = picture, output
    said = f"{source}: its output is {columns}x{rows} for a picture of {width}x{height}"
    if _coarse(picture, output):
        raise EngineError(f"{said}: too coarse for labels of pixels; a global pooling leaves no places")
    if abs(rows * width - columns * height) > max(height, width):
        for multiple in ROUNDED_TO:
            if output == (-(-height // multiple) * multiple, -(-width // multiple) * multiple):
                raise EngineError(
                    f"{said}: both sides are rounded up to multiples of {multiple}. Export it at a size that is a "
                    f"multiple of {multiple}"
                )
        turned = abs(rows * height - columns * width) <= max(height, width)
        reason = "height and width are exchanged" if turned else "it is a part of it, or of another shape"
        raise EngineError(f"{said}: {reason}. Export the network without the operators that do so")


def _coarse(picture: tuple[int, int], output: tuple[int, int]) -> bool:
    """Whether an output has too few pixels for a picture."""
    return min(output) < 2 or any(small * COARSEST < large for small, large in zip(output, picture, strict=True))


def check_places(source: str, before: Array, after: Array, labels: bool) -> None:
    """Raise EngineError if a patch of the picture changes the output at another place.

    before, after: outputs (h, w, channels) without and with the patch of `Picture.with_patch`. labels: they are class
    ids, whose difference says nothing. A network in which each pixel depends on the whole picture only gets a warning.
    """
    difference = after != before if labels else np.abs(after.astype(np.float64) - before.astype(np.float64))
    changed: Array = difference.mean(axis=2, dtype=np.float64)
    if not changed.any() or (labels and changed.mean() < FEWEST):
        return  # nothing to see, as with a network that was not trained
    if all(np.ptp(before[..., channel]) == 0 for channel in range(before.shape[2])):
        raise EngineError(f"{source}: its output is the same at every pixel: a global pooling leaves no places")
    rows, columns = changed.shape
    # Changes in a window around each pixel: twice the patch, as labels often change at its edges only.
    reach = [round(WINDOW * side / 2) for side in changed.shape]
    window = 2 * reach[1] + 1, 2 * reach[0] + 1
    sums = cv2.boxFilter(changed, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
    place = tuple(sum(share) / 2 for share in (PATCH_ROWS, PATCH_COLUMNS))
    expected = tuple(min(int(share * side), side - 1) for share, side in zip(place, (rows, columns), strict=True))
    peak = np.unravel_index(sums.argmax(), sums.shape)
    elsewhere = sums[peak] > CLEARLY * sums[expected]
    if elsewhere and sums[peak] < SPREAD * changed.sum():
        log.warning(
            "%s: each pixel of its output depends on the whole picture, so it cannot be seen whether the output lies "
            "where the picture is. Look at the labels of a picture",
            source,
        )
        return
    found = _centre(changed, peak if elsewhere else expected, reach)
    distance = float(np.hypot(found[0] - place[0], found[1] - place[1]))
    if distance > FARTHEST + 0.5 / min(rows, columns):
        raise EngineError(
            f"{source}: what changes at {_percent(place)} of the picture's width and height changes its output at "
            f"{_percent(found)}: the output is turned, mirrored or cropped. Export the network without the operators "
            "that do so"
        )


def _centre(changed: Array, middle: Sequence[Any], reach: Sequence[int]) -> tuple[float, float]:
    """Centre of the changes in a window around a pixel, as shares of height and width."""
    begins = [max(int(index) - half, 0) for index, half in zip(middle, reach, strict=True)]
    part = changed[
        tuple(slice(begin, int(index) + half + 1) for begin, index, half in zip(begins, middle, reach, strict=True))
    ]
    places = [np.arange(size) + begin + 0.5 for size, begin in zip(part.shape, begins, strict=True)]
    row, column = part.sum(1) @ places[0] / part.sum(), part.sum(0) @ places[1] / part.sum()
    return float(row) / changed.shape[0], float(column) / changed.shape[1]


def _percent(place: Sequence[Any]) -> str:
    row, column = place
    return f"{100 * column:.0f} %, {100 * row:.0f} %"


def as_map(values: Array, axes: tuple[int | None, int, int]) -> Array:
    """An output as (h, w, channels). axes: of classes (None for labels), rows and columns."""
    classes, rows, columns = axes
    rest = tuple(axis for axis in range(values.ndim) if axis not in (classes, rows, columns))
    values = values.squeeze(rest) if rest else values
    if classes is None:
        return values[..., None] if rows < columns else values.T[..., None]
    order = np.argsort(np.argsort([rows, columns, classes]))
    return values.transpose(tuple(int(one) for one in order))
