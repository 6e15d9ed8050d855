"""Polygons and run lengths against what the tools' own libraries make of them."""

import itertools

import numpy as np
import pytest
from exports import HEIGHT, WIDTH
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.raster import coco_rle, ellipse, label_studio_rle, polygon

TRIANGLE = [(1.2, 1.1), (9.7, 2.3), (6.1, 9.4)]
COORDINATES = st.tuples(st.floats(-3, 20, width=32), st.floats(-3, 16, width=32))


@settings(max_examples=40)
@given(st.lists(COORDINATES, min_size=3, max_size=8))
def test_a_pixel_is_inside_if_its_centre_is(points):
    centres = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), -1).reshape(-1, 2)
    ring = np.array(points, float)
    angle = np.zeros(len(centres))  # winding number of the outline around each centre
    for first, second in zip(ring, np.roll(ring, -1, 0), strict=True):
        a, b = first - centres, second - centres
        angle += np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(1))
    odd = np.round(angle / (2 * np.pi)).astype(int) % 2 == 1
    edges = np.concatenate([ring, ring[:1]])
    near = np.array([_distance(centre, edges) < 1e-3 for centre in centres])  # on an edge either is right
    found = polygon([points], HEIGHT, WIDTH, "centre").reshape(-1)
    assert np.array_equal(found[~near], odd[~near])


def _distance(point, edges):
    best = np.inf
    for a, b in itertools.pairwise(edges):
        length = ((b - a) ** 2).sum()
        along = np.clip(((point - a) * (b - a)).sum() / length, 0, 1) if length else 0
        best = min(best, np.hypot(*(point - a - along * (b - a))))
    return best


def test_the_three_rules_differ_along_the_border():
    square = [(4, 3), (8, 3), (8, 7), (4, 7)]
    assert polygon([square], HEIGHT, WIDTH, "centre").sum() == 16
    assert polygon([square], HEIGHT, WIDTH, "pillow").sum() == polygon([square], HEIGHT, WIDTH, "opencv").sum() == 25


@pytest.mark.parametrize(("rule", "whole", "inner"), [("centre", 48, 16), ("pillow", 63, 25), ("opencv", 63, 25)])
def test_holes(rule, whole, inner):
    """Pillow and OpenCV take the outline of the hole away, too."""
    outer, hole = [(2, 2), (8, 2), (8, 10), (2, 10)], [(3, 4), (7, 4), (7, 8), (3, 8)]
    assert polygon([outer], HEIGHT, WIDTH, rule).sum() == whole
    assert polygon([outer, hole], HEIGHT, WIDTH, rule).sum() == whole - inner


def test_convex_polygons_agree_with_matplotlib():
    rng = np.random.default_rng(0)
    centres = np.stack(np.meshgrid(np.arange(90) + 0.5, np.arange(70) + 0.5), -1).reshape(-1, 2)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        points = np.stack([45 + 30 * np.cos(angles), 35 + 30 * np.sin(angles)], 1)
        inside = Outline(points).contains_points(centres).reshape(70, 90)
        assert np.array_equal(polygon([points.tolist()], 70, 90, "centre"), inside)


def test_coco_run_lengths():
    """As pycocotools 2.0.11 wrote them: frPyObjects and merge of TRIANGLE and a square."""
    mask = polygon([TRIANGLE], HEIGHT, WIDTH, "centre")
    mask[1:5, 10:14] = True
    mask[1, 3] = False  # the centre is inside by 0.09 pixels; pycocotools rounds points to a fifth of a pixel
    text = "=1;101N2N1O1ON2N2N13N00000g0"
    found = coco_rle({"size": [HEIGHT, WIDTH], "counts": text})
    assert np.array_equal(found, mask)
    assert np.array_equal(coco_rle({"size": [HEIGHT, WIDTH], "counts": text.encode()}), mask)
    changes = np.flatnonzero(np.diff(mask.T.reshape(-1).astype(int))) + 1
    runs = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    assert np.array_equal(coco_rle({"size": [HEIGHT, WIDTH], "counts": runs}), mask)
    for wrong in ({"size": [3, 3], "counts": text}, {"size": [12, 16]}, {"size": [12, 16], "counts": "="}, [1]):
        with pytest.raises(DatasetError, match="not COCO's run lengths"):
            coco_rle(wrong)


def test_label_studio_run_lengths():
    """As label-studio-sdk 2.1.2 wrote them (mask2rle): a rectangle with a hole of one pixel."""
    stored = [
        0, 0, 3, 0, 57, 27, 254, 207, 0, 195, 127, 248, 140, 3, 13, 255, 226, 48, 9, 255, 227, 0, 191, 255, 136, 192,
        48, 223, 254, 35, 0, 195, 127, 252, 4, 76, 0,
    ]  # fmt: skip
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:8, 4:11] = True
    mask[5, 6] = False
    assert np.array_equal(label_studio_rle(stored, HEIGHT, WIDTH), mask)
    for values, height, problem in ((stored[:20], 12, "it ends early"), (stored, 13, "768 values for 16x13")):
        with pytest.raises(DatasetError, match=problem):
            label_studio_rle(values, height, WIDTH)


def test_an_ellipse_is_turned_clockwise():
    lying = ellipse(8, 6, (6, 2), 0, HEIGHT, WIDTH)
    assert lying[6, 3]
    assert not lying[2, 8]
    assert np.array_equal(ellipse(8, 6, (2, 6), 90, HEIGHT, WIDTH), lying)
    tilted = ellipse(8, 6, (6, 1), 45, HEIGHT, WIDTH)
    assert tilted[9, 11]  # to the right and down
    assert not tilted[2, 11]
