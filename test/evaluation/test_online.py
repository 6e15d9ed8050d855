"""Scores of labels and ground truth as they arrive."""

import numpy as np
import pytest

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.live.online import MAX_WAITING, OnlineEvaluation
from icnet_ros.replay.ground_truth import UNLISTED

LABELS = np.zeros((4, 6), np.uint8)


def test_ground_truth_whose_stamps_match_no_labels_is_a_warning(tmp_path):
    evaluation = OnlineEvaluation(load_classes("camvid"), tmp_path, "/image", "/truth")
    evaluation.labels(1_000, 0, LABELS)
    evaluation.ground_truth(2_000, LABELS)
    evaluation.ground_truth(0, LABELS)
    report = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")
    assert report["miou"] is None
    (said,) = report["warnings"]
    assert said.startswith("2 ground truth images, none with the stamp of a label image; the nearest is 0.001")
    assert "--sync-tolerance" in said


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


def test_ground_truth_that_comes_after_many_label_images_is_scored(tmp_path):
    """As of an annotating process that takes seconds; the label maps have left the memory."""
    evaluation = OnlineEvaluation(load_classes("camvid"), tmp_path, "/image", "/truth")
    stamps = range(1, 2 * MAX_WAITING)
    for stamp in stamps:
        evaluation.labels(stamp, 0, LABELS + stamp % 3)
    for stamp in stamps:
        evaluation.ground_truth(stamp, LABELS + stamp % 3)
    report = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")
    assert (report["frames"]["scored"], report["miou"], report["changed_pixels"]["mean"]) == (len(stamps), 1.0, 1.0)


def test_ids_that_the_mapping_does_not_list_and_names_of_other_ids_refuse_the_scores(tmp_path):
    classes = load_classes("camvid")
    table = np.full(256, UNLISTED, np.int16)
    table[7] = 0
    mapped = OnlineEvaluation(classes, tmp_path / "mapped", "/image", "/truth", mapping=table)
    mapped.names("/label_info", {0: classes.names[1]})  # the mapping says more
    named = OnlineEvaluation(classes, tmp_path / "named", "/image", "/truth")
    for evaluation, first in ((mapped, 7), (named, 0)):
        for stamp in (1, 2):
            evaluation.labels(stamp, 0, LABELS)
        evaluation.ground_truth(1, LABELS + first)
        assert evaluation.scored == 1
    mapped.ground_truth(2, LABELS + 8)
    named.names("/label_info", {0: classes.names[1]})
    named.ground_truth(2, LABELS)
    for evaluation, reason in ((mapped, "the ground truth has id 8, which is not in the mapping"), (named, "calls 0")):
        report = evaluation.write({"checkpoint": "a", "engine": "torch", "trained": True}, "test")
        assert (report["miou"], report["frames"]["scored"], report["frames"]["labelled"]) == (None, 0, 2)
        assert [warning.startswith("not scored: ") and reason in warning for warning in report["warnings"]] == [True]
