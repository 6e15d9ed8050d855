"""Replays with label groups and with a mask are scored in the groups; unlabelled pixels are misses."""

import csv
import json

import cv2
import numpy as np
import pytest
from drives import icnet, make_bag

from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.decoders.image import decode_labels

GROUPS = """
name: two
groups:
  - {name: ground, colour: [1, 2, 3], classes: [road]}
  - {name: thing, colour: [4, 5, 6], classes: [car]}
unlabelled: [sky]
"""
FOLD = np.full(256, 255, np.uint8)
FOLD[:2] = 0, 1


@pytest.fixture(scope="module")
def bag(tmp_path_factory, tiny):
    return make_bag(tmp_path_factory.mktemp("groups") / "bag", open_engine("torch", tiny, EngineOptions("cpu")))


def truths(bag):
    with open_bag(bag) as opened:
        return [decode_labels(message.data)[1] for message in opened.messages("/cam/ground_truth")]


def stored(out):
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((out / "labels").glob("*.png"))]


def iou(annotated, labels, index):
    """Of one class, counted pixel by pixel where the annotation is a class."""
    known = annotated != 255
    hit, either = (annotated == index) & (labels == index), (annotated == index) | (labels == index)
    return (hit & known).sum() / (either & known).sum()


@pytest.mark.parametrize("mask", [False, True])
def test_groups_are_what_is_scored(bag, model, tmp_path, mask):
    (tmp_path / "two.yaml").write_text(GROUPS)
    picture = np.zeros((96, 128), np.uint8)
    picture[60:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), picture)
    out = tmp_path / "out"
    words = ["--engine", "torch", "--model", model, "--no-video", "--out", out, "--label-groups", tmp_path / "two.yaml"]
    assert icnet("replay", bag, *words, *(["--mask", tmp_path / "mask.png"] if mask else [])) == 0
    report = json.loads((out / "report.json").read_text())
    assert [entry["name"] for entry in report["class_table"]["classes"]] == ["ground", "thing"]
    annotated, labels = np.stack([FOLD[one] for one in truths(bag)]), np.stack(stored(out))
    assert (labels[:, 60:] == 255).all() == mask
    expected = [iou(annotated, labels, index) for index in (0, 1)]
    assert list(report["per_class"].values()) == pytest.approx(expected)
    assert report["miou"] == pytest.approx(np.mean(expected))
    known = annotated != 255
    assert report["pixel_accuracy"] == pytest.approx((annotated == labels)[known].mean())
    with (out / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pixels:ground"]) for row in rows] == [(one == 0).sum() for one in labels]
    assert icnet("compare", out, out) == 0


def test_labels_of_other_groups_are_not_taken_for_these(bag, model, tmp_path):
    out = tmp_path / "out"
    words = ["--engine", "torch", "--model", model, "--no-video", "--out", out]
    (tmp_path / "two.yaml").write_text(GROUPS)
    assert icnet("replay", bag, *words, "--label-groups", tmp_path / "two.yaml") == 0
    first = stored(out)
    (tmp_path / "two.yaml").write_text(
        GROUPS.replace("[road]", "[sky]").replace("unlabelled: [sky]", "unlabelled: [road]")
    )
    assert icnet("replay", bag, *words, "--label-groups", tmp_path / "two.yaml") == 0
    assert any((one != other).any() for one, other in zip(first, stored(out), strict=True))
    assert icnet("replay", bag, *words) == 0
    assert max(one.max() for one in stored(out)) == 2
    assert icnet("replay", bag, *words, "--label-groups", "nav3") == 1
