"""From the values that a network gives for one frame to its label map, on the CPU."""

from icnet_ros.engine.base import Float32, LabelMap, Request, UInt8
from icnet_ros.engine.grouping import Grouping
from icnet_ros.engine.kernels import groups, probabilities, upsample
from icnet_ros.engine.kernels.coordinates import Axes, network_axes
from icnet_ros.engine.tail import Tail


def label(
    values: Float32,
    size: tuple[int, int],
    network: tuple[int, int],
    grouping: Grouping,
    tail: Tail,
    request: Request,
) -> LabelMap:
    """Label map of `size` (height, width) of values (h, w, classes), without its times; `grouping.spec` as usual.

    network: size of the network's input. Raises FrameError for NaN.
    """
    shape = (values.shape[0], values.shape[1])
    corners = grouping.spec.align_corners
    axes = (
        upsample.both_axes(values, *size, corners)
        if tail.interpolation is None
        else network_axes(shape, size, network, tail.interpolation)
    )
    labels, confidence_map = _labels(values, size, axes, grouping, tail, request.confidence)
    score_map: Float32 | None = None
    if request.scores:
        channel_of, channels = grouping.channel_of(request.scores), len(request.scores)
        if tail.probabilities:
            score_map = probabilities.score_map(values, channel_of, channels, axes)
        else:
            score_map = groups.score_map(values, channel_of, channels, *size, axes=axes)
    return LabelMap(labels, confidence_map, score_map)


def _labels(
    values: Float32, size: tuple[int, int], axes: Axes, grouping: Grouping, tail: Tail, confidence: bool
) -> tuple[UInt8, UInt8 | None]:
    if grouping.groups is not None:
        group_map = probabilities.group_map if tail.probabilities else groups.group_map
        return group_map(values, grouping.group_of, grouping.ids, *size, confidence=confidence, axes=axes)
    if confidence:
        return upsample.label_and_confidence(values, *size, axes=axes, probabilities=tail.probabilities)
    return upsample.label_map(values, *size, axes=axes), None
