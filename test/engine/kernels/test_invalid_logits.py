"""NaN in a network's output is an error, never a label."""

import numpy as np
import pytest
import torch

from icnet_ros.engine.backends.host import check_logits
from icnet_ros.engine.backends.torch import open_torch_on
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.kernels.groups import score_map
from icnet_ros.engine.kernels.upsample import label_and_confidence, label_map
from icnet_ros.engine.table import open_engine

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
