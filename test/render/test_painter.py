import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from icnet_ros.render.painter import Painter, draw_banner, legend, side_by_side

COLOURS = ((128, 64, 32), (0, 0, 142), (70, 130, 180))


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_every_id_gets_its_colour_and_unknown_ones_black(labels):
    painted = Painter(COLOURS).colour(labels)
    for index in np.unique(labels):
        expected = COLOURS[index][::-1] if index < 3 else (0, 0, 0)
        assert (painted[labels == index] == expected).all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_overlay_mixes_by_alpha(alpha):
    rng = np.random.default_rng(0)
    bgr, labels = rng.integers(0, 256, (9, 7, 3), np.uint8), rng.integers(0, 3, (9, 7), np.uint8)
    painter = Painter(COLOURS)
    expected = (1 - alpha) * bgr.astype(float) + alpha * painter.colour(labels)
    before = bgr.copy()
    assert np.abs(painter.overlay(bgr, labels, alpha) - expected).max() <= 1
    assert np.array_equal(bgr, before)


def test_a_banner_is_written_on_the_picture():
    bgr, labels = np.full((120, 160, 3), 90, np.uint8), np.zeros((120, 160), np.uint8)
    plain, marked = Painter(COLOURS).overlay(bgr, labels), Painter(COLOURS, "UNTRAINED NETWORK").overlay(bgr, labels)
    assert not np.array_equal(plain[:30], marked[:30])
    assert (marked[:30] > 200).any()
    assert np.array_equal(plain[60:], marked[60:])


@pytest.mark.parametrize("size", [(64, 64), (480, 640), (1024, 2048), (5, 300)])
def test_text_fits_any_picture(size):
    picture = np.full((*size, 3), 90, np.uint8)
    draw_banner(picture, "UNTRAINED NETWORK")
    assert (picture[:, -2:] <= 90).all()  # not cut off at the right


def test_legend_shows_all_classes():
    strip = legend([f"class {i}" for i in range(30)], [(i * 8, 255 - i * 8, 7) for i in range(30)], 400)
    assert strip.shape[1] == 400
    assert all((strip == (7, 255 - i * 8, i * 8)).all(-1).any() for i in range(30))


def test_pictures_side_by_side():
    left, right = np.zeros((4, 3, 3), np.uint8), np.ones((4, 3, 3), np.uint8)
    assert np.array_equal(side_by_side([left, right]), cv2.hconcat([left, right]))
