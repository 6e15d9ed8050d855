"""What contact sheets and plots say."""

from dataclasses import replace

import numpy as np
import pytest

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.render.contact_sheet import contact_sheet
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.report.plots import confusion
from icnet_ros.report.writer import caption

METADATA = {"checkpoint": "net", "exit": "sub24"}
PERFECT = ConfusionMatrix(3)
PERFECT.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
WRONG = ConfusionMatrix(3)
WRONG.update(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8))


@pytest.mark.parametrize(
    ("metrics", "matrix", "text"),
    [
        ({"miou": 0.5, "miou_sub24": 0.4}, None,
         "net sub24: mIoU 0.400 on its validation images, not scored on this drive"),
        ({"miou_sub24": 0.5}, PERFECT,
         "net sub24: mIoU 0.500 on its validation images, on this drive 100% of the pixels are right, mIoU 1.000"),
        ({"miou": 0.5}, PERFECT,  # of the last exit
         "net sub24: on this drive 100% of the pixels are right, mIoU 1.000"),
        ({"miou_sub24": "76 %"}, None, "net sub24: not scored on this drive"),
        ({"miou_sub24": 76.4}, None, "net sub24: not scored on this drive"),
        ({}, PERFECT, "net sub24: on this drive 100% of the pixels are right, mIoU 1.000"),
        ({}, WRONG, "net sub24: the ground truth of this drive has other classes"),
        ({}, None, "net sub24: not scored on this drive"),
    ],
)  # fmt: skip
def test_the_accuracy_that_is_known(tiny, metrics, matrix, text):
    spec = replace(tiny.spec, trained=True, metrics=metrics)
    assert caption(METADATA, ReplayResult("/image", None, matrix=matrix), spec) == text


def test_groups_have_no_known_score(tiny):
    spec = replace(tiny.spec, trained=True, metrics={"miou_sub24": 0.5})
    assert "0.500" not in caption({**METADATA, "label_groups": "nav2"}, ReplayResult("/image", None), spec)


def test_an_untrained_network_says_so(tiny):
    spec = replace(tiny.spec, trained=False, metrics={"miou": 0.5})
    assert "untrained" in caption(METADATA, ReplayResult("/image", None), spec)


@pytest.mark.parametrize("width", [40, 400])
def test_the_caption_is_a_strip_below_the_legend(width):
    pictures = [np.zeros((30, width, 3), np.uint8)] * 2
    plain, captioned = (contact_sheet(pictures, ("road",), ((1, 2, 3),), text) for text in ("", "a long text" * 9))
    assert np.array_equal(captioned[: len(plain)], plain)
    assert captioned[len(plain) :].max() > 60


def test_pixels_without_a_label_are_a_column_of_the_confusion_matrix():
    """A masked half of the road is no road that was found."""
    classes = load_classes("camvid")
    matrix = ConfusionMatrix(len(classes))
    matrix.update(np.full((10, 10), 3, np.uint8), np.array([[3] * 4 + [255] * 6] * 10, np.uint8))
    figure = confusion(matrix.counts.tolist(), matrix.missed.tolist(), classes)
    heat = figure.data[0]
    assert (heat.x[-1], heat.z[3][3], heat.z[3][-1]) == ("unlabelled", matrix.iou()[3], 0.6)
    assert "unlabelled" not in confusion(matrix.counts.tolist(), None, classes).data[0].x
