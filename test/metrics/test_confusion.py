import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from icnet_ros.metrics.confusion import ConfusionMatrix


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 4))
def test_equals_counting_pixel_by_pixel_over_the_set(seed, classes, images):
    rng = np.random.default_rng(seed)
    matrix = ConfusionMatrix(classes)
    pairs = []
    for _ in range(images):
        truth = rng.choice([*range(classes), classes, 255], (5, 7)).astype(np.uint8)
        labels = rng.integers(0, classes, (5, 7), np.uint8)
        matrix.update(truth, labels)
        pairs += [(t, p) for t, p in zip(truth.flat, labels.flat, strict=True) if t < classes]
    ious = []
    for c in range(classes):
        hits = sum(t == p == c for t, p in pairs)
        union = sum(c in (t, p) for t, p in pairs)
        ious.append(hits / union if union else np.nan)
    np.testing.assert_allclose(matrix.iou(), ious)
    if pairs:
        assert matrix.miou() == pytest.approx(np.nanmean(ious))
        assert matrix.pixel_accuracy() == pytest.approx(np.mean([t == p for t, p in pairs]))
        accuracies = [np.mean([p == c for t, p in pairs if t == c]) for c in {t for t, _ in pairs}]
        assert matrix.class_accuracy() == pytest.approx(np.mean(accuracies))
        weights = [sum(t == c for t, _ in pairs) / len(pairs) for c in range(classes)]
        expected = sum(w * iou for w, iou in zip(weights, ious, strict=True) if w)
        assert matrix.frequency_weighted_iou() == pytest.approx(expected)
    else:
        assert matrix.class_accuracy() is matrix.frequency_weighted_iou() is None
        assert matrix.miou() is matrix.pixel_accuracy() is None


def test_pixels_without_a_class_are_wrong_whatever_their_id():
    truth = np.array([[0, 1, 1, 255]], np.uint8)
    for unlabelled in (2, 7, 255):
        matrix = ConfusionMatrix(2, unlabelled)
        matrix.update(truth, np.array([[0, 1, unlabelled, unlabelled]], np.uint8))
        assert matrix.iou().tolist() == [1.0, 0.5]
        with pytest.raises(ValueError, match="label 3 is none of 2"):
            matrix.update(truth, np.array([[0, 1, 3, unlabelled]], np.uint8))


def test_what_does_not_fit_is_refused():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match=r"ground truth is \(2, 2\)"):
        matrix.update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="label 7 is none of 2"):
        matrix.update(np.zeros((1, 1), np.uint8), np.full((1, 1), 7, np.uint8))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 11))
def test_agrees_with_torchmetrics(seed, classes):
    """Over several images with void pixels, where every class is somewhere in the truth."""
    rng = np.random.default_rng(seed)
    matrix = ConfusionMatrix(classes)
    options = {"num_classes": classes, "ignore_index": 255}
    metrics = {
        "miou": MulticlassJaccardIndex(**options),
        "frequency_weighted_iou": MulticlassJaccardIndex(**options, average="weighted"),
        "pixel_accuracy": MulticlassAccuracy(**options, average="micro"),
        "class_accuracy": MulticlassAccuracy(**options, average="macro"),
    }
    for _ in range(3):
        truth = rng.choice(np.array([*range(classes), 255], np.uint8), (9, 13))
        truth[0, :classes] = range(classes)
        labels = np.where(rng.random((9, 13)) < 0.6, truth % classes, rng.integers(0, classes, (9, 13))).astype(
            np.uint8
        )
        matrix.update(truth, labels)
        for metric in metrics.values():
            metric.update(torch.from_numpy(labels).long(), torch.from_numpy(truth).long())
    for name, metric in metrics.items():
        assert getattr(matrix, name)() == pytest.approx(metric.compute().item(), abs=1e-6), name
