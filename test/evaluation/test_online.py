"""Scores of labels and ground truth as they arrive."""

import numpy as np
import pytest

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.live.online import OnlineEvaluation

LABELS = np.zeros((4, 6), np.uint8)


def test_ground_truth_whose_stamps_match_no_labels_is_a_warning(tmp_path):
    evaluation = OnlineEvaluation(load_classes("camvid"), tmp_path, "/image", "/truth")
    evaluation.labels(1_000, 0, LABELS)
    evaluation.ground_truth(2_000, LABELS)
    evaluation.ground_truth(0, LABELS)
    report = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")
    assert report["miou"] is None
    assert list(report["warnings"]) == ["2 ground truth images, none with the stamp of a label image"]


@pytest.mark.parametrize(("annotated", "warned"), [((3, 4), True), ((1, 2, 3, 4), False), ((3,), False)])
def test_a_start_without_ground_truth_is_a_warning(tmp_path, annotated, warned):
    """The player was faster than the discovery of the evaluation node. Ground truth of some frames only is none."""
    evaluation = OnlineEvaluation(load_classes("camvid"), tmp_path, "/image", "/truth")
    for stamp in (1, 2, 3, 4):
        evaluation.labels(stamp, 0, LABELS)
        if stamp in annotated:
            evaluation.ground_truth(stamp, LABELS)
    warnings = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")["warnings"]
    text = "the first 2 label images have no ground truth, all after them have: start the player later"
    assert list(warnings) == ([text] if warned else [])


@pytest.mark.parametrize("truth_first", [False, True])
def test_either_may_come_first(tmp_path, truth_first):
    evaluation = OnlineEvaluation(load_classes("camvid"), tmp_path, "/image", "/truth")
    steps = [lambda: evaluation.labels(1_000, 0, LABELS), lambda: evaluation.ground_truth(1_000, LABELS)]
    for step in reversed(steps) if truth_first else steps:
        step()
    assert evaluation.scored == 1
    report = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")
    assert report["miou"] == 1
    assert not report["warnings"]
