"""Groups and scores equal the sums of softmax probabilities of interpolated logits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from icnet_ros.engine.base import EngineError
from icnet_ros.engine.kernels import ondevice
from icnet_ros.engine.kernels.groups import group_map, score_map

sizes = st.integers(1, 20)


def reference(logits, channel_of, channels, height, width):
    """Sums of probabilities (channels, height, width) in float64, class by class."""
    tensor = torch.from_numpy(logits).permute(2, 0, 1)[None].double()
    full = F.interpolate(tensor, (height, width), mode="bilinear", align_corners=True)[0].softmax(0).numpy()
    sums = np.zeros((channels, height, width))
    for probability, channel in zip(full, channel_of, strict=True):
        if channel >= 0:
            sums[channel] += probability
    return sums


def case(h, w, classes, groups, seed, spread):
    rng = np.random.default_rng(seed)
    logits = (spread * rng.standard_normal((h, w, classes))).astype(np.float32)
    ids = np.array([*range(groups - 1), 255], np.uint8)
    return logits, rng.integers(0, groups, classes), ids


@settings(max_examples=150, deadline=None)
@given(
    sizes,
    sizes,
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(2, 19),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.3, 2.0, 10.0]),
)
def test_groups_are_the_largest_sums_of_probabilities(h, w, height, width, classes, groups, seed, spread):
    logits, group_of, ids = case(h, w, classes, groups, seed, spread)
    sums = reference(logits, group_of, groups, height, width)
    top = np.sort(sums, axis=0)
    clear = top[-1] - top[-2] > 1e-5  # elsewhere two groups tie within float rounding
    for confidence in (False, True):
        labels, probability = group_map(logits, group_of, ids, height, width, confidence=confidence)
        assert np.array_equal(labels[clear], ids[sums.argmax(0)][clear])
        assert (probability is None) == (not confidence)
        if probability is not None:
            assert np.abs(probability - 255 * sums.max(0)).max() <= 0.52


@settings(max_examples=50, deadline=None)
@given(sizes, sizes, st.integers(1, 50), st.integers(1, 50), st.integers(2, 19), st.integers(0, 2**32 - 1))
def test_scores_are_probabilities(h, w, height, width, classes, seed):
    logits, channel_of, _ = case(h, w, classes, 3, seed, 3.0)
    channel_of -= 1  # -1: no channel
    scores = score_map(logits, channel_of, 2, height, width)
    expected = reference(logits, channel_of, 2, height, width)
    assert np.abs(scores.transpose(2, 0, 1) - expected).max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(1, 50), st.integers(1, 50), st.integers(2, 19), st.integers(0, 2**32 - 1))
def test_the_kernels_of_the_device_are_those_of_the_cpu(h, w, height, width, classes, seed):
    logits, group_of, ids = case(h, w, classes, 4, seed, 3.0)
    batch = torch.from_numpy(logits).permute(2, 0, 1)[None]
    labels, confidence = ondevice.label_groups(
        batch, torch.from_numpy(group_of), torch.from_numpy(ids), height, width, confidence=True
    )
    expected, certain = group_map(logits, group_of, ids, height, width, confidence=True)
    assert (labels[0].numpy() == expected).mean() > 0.99
    assert np.abs(confidence[0].numpy().astype(int) - certain).max() <= 1
    channel_of = group_of - 1
    scores = ondevice.probabilities(batch, torch.from_numpy(channel_of), 3, height, width)[0]
    assert np.abs(scores.permute(1, 2, 0).numpy() - score_map(logits, channel_of, 3, height, width)).max() < 1e-5


@pytest.mark.parametrize("confidence", [False, True])
def test_nan_is_an_error(confidence):
    logits, group_of, ids = case(6, 8, 5, 3, 0, 1.0)
    logits[2, 3, 1] = np.nan
    with pytest.raises(EngineError, match="NaN"):
        group_map(logits, group_of, ids, 24, 32, confidence=confidence)
    with pytest.raises(EngineError, match="NaN"):
        score_map(logits, group_of, 3, 24, 32)
    logits[:] = -20.0
    logits[..., 0], group_of[:] = 20.0, 0  # certain, but for a class of the same group
    logits[2, 3, 1] = np.nan
    with pytest.raises(EngineError, match="NaN"):
        group_map(logits, group_of, ids, 24, 32, confidence=confidence)
