"""Label maps of networks that end in an interpolation equal those of ONNX Runtime's Resize and argmax."""

from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from icnet_ros.engine.kernels import groups, ondevice, probabilities, upsample
from icnet_ros.engine.kernels.coordinates import affine, network_axes
from icnet_ros.engine.tail import Interpolation, Tail

RULES = [Interpolation(name) for name in ("align_corners", "half_pixel", "pytorch_half_pixel", "asymmetric")]
NEAREST = [
    Interpolation(name, rounding)
    for name in ("align_corners", "half_pixel", "asymmetric")
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
]
side = st.integers(1, 23)


@cache
def session(interpolation):
    """Resize of (1, C, h, w) to `sizes`."""
    kind = {"mode": "nearest", "nearest_mode": interpolation.rounding} if interpolation.rounding else {"mode": "linear"}
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], coordinate_transformation_mode=interpolation.coordinates, **kind
    )
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "c", "h", "w"]),
         helper.make_tensor_value_info("sizes", TensorProto.INT64, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "c", "H", "W"])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def resized(values, interpolation, height, width):
    """(height, width, classes) in ONNX Runtime."""
    sizes = np.array([1, values.shape[2], height, width], np.int64)
    feed = {"x": np.ascontiguousarray(values.transpose(2, 0, 1)[None]), "sizes": sizes}
    return session(interpolation).run(None, feed)[0][0].transpose(1, 2, 0)


def case(h, w, classes, seed):
    return 3 * np.random.default_rng(seed).standard_normal((h, w, classes)).astype(np.float32)


@pytest.mark.parametrize("interpolation", [*RULES, *NEAREST], ids=str)
@settings(max_examples=25, deadline=None)
@given(side, side, st.integers(2, 90), st.integers(2, 90), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_labels_confidence_scores_and_groups_are_those_of_resize(interpolation, h, w, height, width, classes, seed):
    logits = case(h, w, classes, seed)
    axes = network_axes((h, w), (height, width), (height, width), interpolation)
    full = resized(logits, interpolation, height, width)
    exponents = np.exp(full - full.max(2, keepdims=True))
    softmax = exponents / exponents.sum(2, keepdims=True)
    top = np.sort(full, axis=2)
    clear = top[..., -1] - top[..., -2] > 1e-4
    best = full.argmax(2)
    assert np.array_equal(upsample.label_map(logits, height, width, axes=axes)[clear], best[clear])
    labels, confidence = upsample.label_and_confidence(logits, height, width, axes=axes)
    assert np.array_equal(labels[clear], best[clear])
    assert np.abs(confidence - 255 * softmax.max(2)).max() <= 0.6
    channel_of = np.arange(classes) % 3 - 1
    scores = groups.score_map(logits, channel_of, 2, height, width, axes=axes)
    for channel in (0, 1):
        assert np.abs(scores[..., channel] - softmax[..., channel_of == channel].sum(2)).max() < 1e-4
    group_of, ids = np.arange(classes) % 2, np.array([3, 7], np.uint8)
    sums = np.stack([softmax[..., group_of == group].sum(2) for group in (0, 1)])
    clear = np.abs(sums[0] - sums[1]) > 1e-4
    for wanted in (False, True):
        grouped, _ = groups.group_map(logits, group_of, ids, height, width, confidence=wanted, axes=axes)
        assert np.array_equal(grouped[clear], ids[sums.argmax(0)][clear])


@pytest.mark.parametrize("interpolation", NEAREST, ids=str)
def test_nearest_neighbours_are_those_of_resize_where_rounding_decides(interpolation):
    for source in range(1, 40):
        values = np.arange(source, dtype=np.float32).reshape(1, source, 1)
        for target in range(2, 120):
            columns = network_axes((1, source), (1, target), (1, target), interpolation)[2]
            assert np.array_equal(columns, resized(values, interpolation, 1, target)[0, :, 0]), (source, target)


@pytest.mark.parametrize("interpolation", [*RULES, NEAREST[0], NEAREST[6]], ids=str)
@settings(max_examples=20, deadline=None)
@given(side, side, st.integers(2, 60), st.integers(2, 60), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_probabilities_are_interpolated_as_they_are(interpolation, h, w, height, width, classes, seed):
    values = np.exp(case(h, w, classes, seed))
    values /= values.sum(2, keepdims=True)
    axes = network_axes((h, w), (height, width), (height, width), interpolation)
    full = resized(values, interpolation, height, width)
    top = np.sort(full, axis=2)
    clear = top[..., -1] - top[..., -2] > 1e-5
    labels, confidence = upsample.label_and_confidence(values, height, width, axes=axes, probabilities=True)
    assert np.array_equal(labels[clear], full.argmax(2)[clear])
    assert np.abs(confidence - 255 * full.max(2)).max() <= 0.6
    group_of, ids = np.arange(classes) % 2, np.array([3, 7], np.uint8)
    sums = np.stack([full[..., group_of == group].sum(2) for group in (0, 1)])
    clear = np.abs(sums[0] - sums[1]) > 1e-5
    grouped, certain = probabilities.group_map(values, group_of, ids, height, width, confidence=True, axes=axes)
    assert np.array_equal(grouped[clear], ids[sums.argmax(0)][clear])
    assert np.abs(certain - 255 * sums.max(0)).max() <= 0.6
    scores = probabilities.score_map(values, np.arange(classes) % 3 - 1, 2, axes)
    assert np.abs(scores[..., 0] - full[..., 1::3].sum(2)).max() < 1e-5
    # The same on a device.
    device = torch.device("cpu")
    at = ondevice.places((h, w), (height, width), (height, width), Tail(interpolation, probabilities=True), device)
    batch = torch.from_numpy(values).permute(2, 0, 1)[None]
    found, sure = ondevice.label(batch, height, width, True, at=at)
    clear = top[..., -1] - top[..., -2] > 1e-5
    assert np.array_equal(found[0].numpy()[clear], full.argmax(2)[clear])
    assert np.abs(sure[0].numpy() - 255 * full.max(2)).max() <= 0.6


def test_scales_that_are_no_ratio_of_the_sizes():
    """17 * 2.5 is 42.5: the output has 42 rows, and their places follow from 2.5."""
    interpolation = Interpolation("half_pixel", "", (2.5, 2.5))
    logits = case(17, 9, 5, 0)
    rows, weights, _, _ = network_axes((17, 9), (42, 22), (40, 24), interpolation)
    expected = np.clip((np.arange(42) + 0.5) / 2.5 - 0.5, 0, 16)
    assert rows + weights == pytest.approx(expected, abs=1e-5)
    assert upsample.label_map(logits, 42, 22, axes=network_axes((17, 9), (42, 22), (40, 24), interpolation)).any()


@pytest.mark.parametrize("interpolation", RULES, ids=str)
def test_a_label_map_of_another_size_covers_the_same_picture(interpolation):
    """Pixels of a map three times as small lie where every third pixel of the large one does."""
    large = network_axes((16, 16), (96, 96), (96, 96), interpolation)
    small = network_axes((16, 16), (32, 32), (96, 96), interpolation)
    for index in (0, 2):
        places = (large[index] + large[index + 1])[1::3], small[index] + small[index + 1]
        assert np.abs(places[0] - places[1]).max() < 1e-4


@pytest.mark.parametrize("interpolation", RULES, ids=str)
@given(side, st.integers(2, 70), st.integers(2, 70))
def test_the_device_has_the_same_places(interpolation, source, target, network):
    network = max(source, network)
    slope, start = affine(source, target, network, interpolation, 0)
    index, weight = network_axes((source, source), (target, target), (network, network), interpolation)[:2]
    assert np.abs(np.clip(np.arange(target) * slope + start, 0, source - 1) - (index + weight)).max() < 1e-3


@pytest.mark.parametrize(
    "interpolation", [Interpolation("asymmetric"), Interpolation("align_corners"), NEAREST[0]], ids=str
)
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(2, 7), st.integers(2, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_of_equal_classes_the_first_counts_in_all_kernels(interpolation, h, w, classes, factor, seed):
    """Small whole numbers tie often, and are interpolated without rounding at these factors."""
    factor = 2 ** (factor - 1)
    logits = np.random.default_rng(seed).integers(-1, 2, (h, w, classes)).astype(np.float32)
    if interpolation.coordinates == "align_corners" and not interpolation.rounding:
        height, width = (h - 1) * factor + 1, (w - 1) * factor + 1
    else:
        height, width = h * factor, w * factor
    axes = network_axes((h, w), (height, width), (height, width), interpolation)
    expected = resized(logits, interpolation, height, width).argmax(2)  # NumPy takes the first
    assert np.array_equal(upsample.label_map(logits, height, width, axes=axes), expected)
    assert np.array_equal(upsample.label_and_confidence(logits, height, width, axes=axes)[0], expected)
    at = ondevice.places((h, w), (height, width), (height, width), Tail(interpolation), torch.device("cpu"))
    on_device, _ = ondevice.label(torch.from_numpy(logits).permute(2, 0, 1)[None], height, width, False, at=at)
    assert np.array_equal(on_device[0].numpy(), expected)
    alone, ids = np.arange(classes), np.arange(classes, dtype=np.uint8)  # a group for each class
    for confidence in (False, True):
        grouped, _ = groups.group_map(logits, alone, ids, height, width, confidence=confidence, axes=axes)
        assert np.array_equal(grouped, expected)
