"""Which interpolation a Resize operator is."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from icnet_ros.checkpoint.onnx_graph import Array, attributes
from icnet_ros.engine.tail import Coordinates, Interpolation, Rounding

Shape = tuple[int, ...]


class NotExactError(Exception):
    """An operator that the engine cannot do in the same way; the message says why."""


def interpolation(
    node: Any, plane: tuple[int, int], shapes: Sequence[tuple[Shape, Shape]], scales: Sequence[Array]
) -> Interpolation:
    """Of a Resize. Raises NotExactError if it is another one than bilinear or nearest of rows and columns.

    plane: the axes of rows and columns. shapes: of its input and output, for each image of a probe. scales: what its
    input of that name was for each, empty if it states the output's sizes instead.
    """
    given = {name: _text(value) for name, value in attributes(node).items()}
    mode, coordinates = given.get("mode", "nearest"), given.get("coordinate_transformation_mode", "half_pixel")
    for name, usual in (("antialias", 0), ("exclude_outside", 0), ("keep_aspect_ratio_policy", "stretch")):
        if given.get(name, usual) != usual:
            raise NotExactError(f"Resize with {name}")
    if mode not in ("linear", "nearest"):
        raise NotExactError(f"Resize is {mode}")
    if coordinates not in get_args(Coordinates):
        raise NotExactError(f"Resize has the coordinates {coordinates}")
    rounding: Any = given.get("nearest_mode", "round_prefer_floor") if mode == "nearest" else ""
    if rounding not in get_args(Rounding):
        raise NotExactError(f"Resize has the rounding {rounding}")
    for before, after in shapes:
        if rounding.startswith("round") and coordinates != "align_corners" and any(after[i] % before[i] for i in plane):
            raise NotExactError("Resize takes nearest neighbours, with halves that depend on float rounding")
        if any(before[axis] != after[axis] for axis in range(len(before)) if axis not in plane):
            raise NotExactError("Resize changes more than rows and columns")
    return Interpolation(coordinates, rounding, _scales(given.get("axes"), plane, shapes, scales))


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _scales(
    axes: Sequence[int] | None, plane: tuple[int, int], shapes: Sequence[tuple[Shape, Shape]], scales: Sequence[Array]
) -> tuple[float, float] | None:
    """(rows, columns) of scales that are the same for every image; None if they are the ratio of the sizes."""
    stated = set()
    for (before, after), values in zip(shapes, scales, strict=True):
        if not values.size:
            return None
        order = [axis % len(before) for axis in (axes if axes is not None else range(len(before)))]
        factors = dict(zip(order, values.tolist(), strict=True))
        pair = tuple(float(np.float32(factors.get(axis, 1.0))) for axis in plane)
        stated.add(pair)
        ratios = tuple(after[axis] / before[axis] for axis in plane)
        exact = np.allclose(pair, ratios, rtol=1e-6)
    if len(stated) == 1:
        rows, columns = stated.pop()
        return rows, columns
    if exact:
        return None
    raise NotExactError("Resize has scales that are computed, and not the ratio of the sizes")
