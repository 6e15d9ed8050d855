import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F

from icnet_ros.engine.kernels import upsample

sizes = st.integers(1, 24)


def interpolated(logits, height, width, dtype=torch.float32, align_corners=True):
    tensor = torch.from_numpy(logits).permute(2, 0, 1)[None].to(dtype)
    return F.interpolate(tensor, (height, width), mode="bilinear", align_corners=align_corners)[0].numpy()


@settings(max_examples=150, deadline=None)
@given(
    sizes,
    sizes,
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(2, 30),
    st.booleans(),
    st.sampled_from([1, 3, 8]),
    st.integers(0, 2**32 - 1),
)
def test_labels_equal_interpolate_and_argmax(h, w, height, width, classes, align_corners, smooth, seed):
    """smooth: of noise, whole rows are interpolated, of areas of one class, single cells."""
    coarse = np.random.default_rng(seed).standard_normal((-(-h // smooth), -(-w // smooth), classes))
    logits = np.ascontiguousarray(interpolated(coarse.astype(np.float32), h, w).transpose(1, 2, 0))
    full = interpolated(logits, height, width, align_corners=align_corners)
    # A pixel where two classes tie within float rounding may go either way; random logits have none
    # but for the rounding itself.
    top = np.sort(full, axis=0)
    clear = top[-1] - top[-2] > 1e-5
    labels = upsample.label_map(logits, height, width, align_corners=align_corners)
    assert np.array_equal(labels[clear], full.argmax(0)[clear])
    labels, _ = upsample.label_and_confidence(logits, height, width, align_corners=align_corners)
    assert np.array_equal(labels[clear], full.argmax(0)[clear])
    assert clear.mean() > 0.98 or labels.size < 400 or smooth > 1


def test_no_pixel_differs_on_smooth_logits():
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((9, 12, 19)).astype(np.float32)
    logits = np.ascontiguousarray(interpolated(coarse, 90, 120).transpose(1, 2, 0)) * 5
    full = interpolated(logits, 360, 480)
    assert np.array_equal(upsample.label_map(logits, 360, 480), full.argmax(0))


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(sizes, sizes, st.integers(2, 6)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.integers(-3, 3).map(float))
    ),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_with_ties_the_label_is_one_of_the_largest(logits, height, width):
    full = interpolated(logits, height, width, torch.float64)
    labels = upsample.label_map(logits, height, width)
    chosen = np.take_along_axis(full, labels[None].astype(np.int64), 0)[0]
    assert (chosen >= full.max(0) - 1e-5).all()


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 60), st.integers(1, 60), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_confidence_is_the_softmax_probability_of_the_label(h, w, height, width, classes, seed):
    logits = 3 * np.random.default_rng(seed).standard_normal((h, w, classes)).astype(np.float32)
    probability = torch.from_numpy(interpolated(logits, height, width)).softmax(0).amax(0).numpy()
    labels, confidence = upsample.label_and_confidence(logits, height, width)
    assert np.abs(confidence - 255 * probability).max() <= 0.51
    assert (labels == upsample.label_map(logits, height, width)).mean() > 0.98 or labels.size < 400


@pytest.mark.parametrize("threads", [1, 2, 10_000])
def test_the_thread_count_changes_nothing(threads):
    logits = np.random.default_rng(1).standard_normal((20, 30, 5)).astype(np.float32)
    expected = upsample.label_map(logits, 80, 120)
    upsample.use_threads(threads)
    assert np.array_equal(upsample.label_map(logits, 80, 120), expected)
