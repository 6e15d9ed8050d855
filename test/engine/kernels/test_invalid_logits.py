"""NaN in a network's output is an error, never a label."""

import numpy as np
import pytest
import torch

from icnet_ros.engine.backends.host import check_logits
from icnet_ros.engine.backends.torch import open_torch_on
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.kernels import ondevice
from icnet_ros.engine.kernels.coordinates import network_axes
from icnet_ros.engine.kernels.groups import group_map, score_map
from icnet_ros.engine.kernels.upsample import label_and_confidence, label_map
from icnet_ros.engine.table import open_engine
from icnet_ros.engine.tail import Interpolation, Tail

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("label", [label_map, label_and_confidence])
@pytest.mark.parametrize("place", [(0, 0, 0), (5, 7, 2), (2, 3, 1), (slice(None), slice(None), slice(None))])
def test_nan_logits_are_an_error(label, place):
    logits = RNG.normal(size=(6, 8, 3)).astype(np.float32)
    label(logits, 24, 32)
    logits[place] = np.nan
    with pytest.raises(EngineError, match="gave NaN"):
        label(logits, 24, 32)


@pytest.mark.parametrize("largest", [1e30, np.inf])
def test_infinite_logits_are_labels(largest):
    logits = RNG.normal(size=(6, 8, 3)).astype(np.float32)
    logits[..., 1] = largest
    assert (label_map(logits, 24, 32) == 1).all()
    labels, confidence = label_and_confidence(logits, 24, 32)
    assert (labels == 1).all()
    assert (confidence == 255).all()


def test_a_class_that_a_network_rules_out_has_no_probability():
    """Some networks mask classes with minus infinity."""
    logits = RNG.normal(size=(6, 8, 3)).astype(np.float32)
    expected, certain = label_and_confidence(np.ascontiguousarray(logits[..., :2]), 24, 32)
    logits[..., 2] = -np.inf
    labels, confidence = label_and_confidence(logits, 24, 32)
    assert np.array_equal(labels, expected)
    assert np.array_equal(confidence, certain)
    assert np.array_equal(label_map(logits, 24, 32), expected)
    assert score_map(logits, np.array([-1, -1, 0]), 1, 24, 32).max() < 1e-6


@pytest.mark.parametrize(
    "interpolation", [Interpolation("align_corners"), Interpolation("asymmetric", "floor")], ids=str
)
def test_infinities_at_single_pixels_mean_the_same_to_all_kernels(interpolation):
    """A weight of 0 times infinity is no number, and a class was lost there."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        logits = np.repeat(np.repeat(rng.normal(size=(3, 3, 4)), 2, 0), 2, 1).astype(np.float32) * 5
        logits[rng.random(logits.shape) < 0.2] = -np.inf
        axes = network_axes((6, 6), (18, 24), (18, 24), interpolation)
        limited = np.clip(logits, -1e30, 1e30)
        expected = label_map(limited, 18, 24, axes=axes)
        full = interpolated(limited, axes)
        chosen = np.take_along_axis(full, expected[..., None].astype(np.int64), 2)[..., 0]
        assert np.allclose(chosen, full.max(2), rtol=1e-5, atol=1e-4)
        assert np.array_equal(label_map(logits, 18, 24, axes=axes), expected)
        assert np.array_equal(label_and_confidence(logits, 18, 24, axes=axes)[0], expected)
        groups, _ = group_map(logits, np.arange(4), np.arange(4, dtype=np.uint8), 18, 24, confidence=True, axes=axes)
        assert np.array_equal(groups, expected)
        device = torch.device("cpu")
        at = ondevice.places((6, 6), (18, 24), (18, 24), Tail(interpolation), device)
        on_device, _ = ondevice.label(torch.from_numpy(logits).permute(2, 0, 1)[None], 18, 24, True, at=at)
        assert (on_device[0].numpy() == expected).mean() > 0.99


def interpolated(logits, axes):
    rows, v, columns, u = axes
    v, u = v[:, None, None].astype(np.float64), u[None, :, None].astype(np.float64)
    below, right = np.minimum(rows + 1, len(logits) - 1), np.minimum(columns + 1, logits.shape[1] - 1)
    mixed = (1 - v) * logits[rows] + v * logits[below]
    return (1 - u) * mixed[:, columns] + u * mixed[:, right]


@pytest.mark.parametrize("place", [(0, 0, 0), (17, 3, 2), (63, 95, 1)])
def test_nan_between_the_pixels_is_an_error_too(place):
    """Of a network with more logits than the image has pixels."""
    logits = RNG.normal(size=(64, 96, 3)).astype(np.float32)
    labels, confidence = label_and_confidence(logits, 10, 15)
    assert np.array_equal(labels, label_map(logits, 10, 15))
    assert confidence.min() > 80
    logits[place] = np.nan
    for label in (label_map, label_and_confidence):
        with pytest.raises(EngineError, match="gave NaN"):
            label(logits, 10, 15)
    with pytest.raises(EngineError, match="gave NaN"):
        group_map(logits, np.arange(3), np.arange(3, dtype=np.uint8), 10, 15, confidence=False)
    with pytest.raises(EngineError, match="gave NaN"):
        score_map(logits, np.zeros(3, np.int64), 1, 10, 15)


@pytest.mark.parametrize("confidence", [False, True])
def test_an_engine_whose_network_gives_nan_refuses_the_frame(tiny, confidence):
    weights = {key: value.clone() for key, value in tiny.weights.items()}
    weights["cls.bias"][1] = float("nan")
    from dataclasses import replace

    broken = replace(tiny, weights=weights)
    frame = Frame(np.zeros((48, 64, 3), np.uint8))
    for engine in (open_engine("torch", broken), open_torch_on(torch.device("cpu"), broken, EngineOptions("cpu"))):
        with pytest.raises(EngineError, match="gave NaN"):
            engine.segment([frame], Request(confidence=confidence))


def test_logits_must_have_the_shape_of_the_checkpoint(tiny):
    check_logits((2, 24, 32, 3), 2, (96, 128), len(tiny.spec.classes), 4)
    check_logits((1, 12, 17, 3), 1, (96, 129), len(tiny.spec.classes), 8)
    for shape in ((2, 3, 24, 32), (2, 24, 32, 5), (2, 24, 32), (), (1, 24, 32, 3), (2, 25, 32, 3)):
        with pytest.raises(EngineError, match="belongs to another network"):
            check_logits(shape, 2, (96, 128), len(tiny.spec.classes), 4)
