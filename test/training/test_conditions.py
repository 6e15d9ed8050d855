"""Drawn night, weather and camera artefacts in training crops."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from icnet_ros.training.conditions import camera_pipeline, drawn_outliers, night, weather
from icnet_ros.training.conditions.scene_classes import SceneClasses
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.augment import augment
from icnet_ros.training.targets import OUTLIER

MEAN = torch.tensor([100.0, 110.0, 120.0])
NAMES = ["road", "sidewalk", "building", "sky"]
SCENE = SceneClasses.of(NAMES)
PLAIN = Recipe(crop=(96, 128), scale=(1.0, 1.0))


def street():
    """Sky, a building, a sidewalk on the left of a road; and an unlabelled line between sky and building."""
    labels = torch.full((96, 128), 2, dtype=torch.uint8)
    labels[:30], labels[50:], labels[30:33] = 3, 0, 255
    labels[50:, :30] = 1
    picture = torch.full((3, 96, 128), 90, dtype=torch.uint8)
    picture[:, :33] = 230
    picture[:, 40:48:2, 60:] = 160
    return picture, labels


def drawn(count, size):
    return torch.rand(count, size, generator=torch.Generator().manual_seed(0))


def crops(recipe, count=24):
    picture = street()
    return [augment([picture], MEAN, recipe, [torch.Generator().manual_seed(n)], scene=SCENE) for n in range(count)]


@pytest.mark.parametrize("entry", ["dark", "weather", "camera"])
def test_labels_stay_as_they_are_and_the_share_is_right(entry):
    changed = 0
    for (before, ids), (after, same) in zip(crops(PLAIN, 80), crops(replace(PLAIN, **{entry: 0.5}), 80), strict=True):
        assert torch.equal(ids, same)
        assert (after + MEAN[:, None, None]).min() >= -1e-3
        assert (after + MEAN[:, None, None]).max() <= 255 + 1e-3
        changed += not torch.equal(before, after)
    assert 0.3 < changed / 80 < 0.7


def test_conditions_are_bounded_differ_and_come_from_the_draws_alone():
    picture, labels = street()
    pixels, ids = picture[None].float().expand(16, -1, -1, -1), labels[None].long().expand(16, -1, -1)
    for make in (
        lambda: night.night(pixels, ids, drawn(16, night.RANDOM_NUMBERS), SCENE),
        lambda: weather.weather(pixels, ids, drawn(16, weather.RANDOM_NUMBERS), SCENE),
        lambda: camera_pipeline.through_camera(pixels, drawn(16, camera_pipeline.RANDOM_NUMBERS)),
        lambda: drawn_outliers.cover(pixels, drawn(16, drawn_outliers.RANDOM_NUMBERS)),
    ):
        result = make()
        assert result.shape == pixels.shape
        assert result.min() >= 0
        assert result.max() <= 255.001
        assert torch.equal(result, make())
        assert len({round(one.std().item(), 4) for one in result}) > 10


def test_nights_are_dark_and_half_of_them_have_a_black_sky_without_a_bright_edge():
    picture, labels = street()
    pixels, ids = picture[None].float().expand(60, -1, -1, -1), labels[None].long().expand(60, -1, -1)
    dark = night.night(pixels, ids, drawn(60, night.RANDOM_NUMBERS), SCENE)
    assert dark.mean() < 0.5 * pixels.mean()
    ratio = dark[:, :, :28].mean((1, 2, 3)) / dark[:, :, 55:].mean((1, 2, 3)).clamp(min=1)
    assert 15 < (ratio < 1.5).sum() < 45  # of the day: 2.5
    sky, edge = (dark[:, :, rows].flatten(1).median(1).values for rows in (slice(0, 25), slice(30, 33)))
    assert (sky < 30).sum() > 10
    assert (edge - sky)[sky < 30].max() < 20


def test_fog_hides_what_is_far_and_the_sky_most():
    _, labels = street()
    ids = labels[None].long()
    distance = weather.depth(ids, SCENE, torch.tensor([5.0]))[0]
    assert (distance[:30] == 1000).all()
    assert distance[-1, 64] == pytest.approx(1, abs=0.05)
    column = distance[50:, 64].tolist()
    assert all(far >= near for far, near in pairwise(column))
    assert (distance[33:50, 64] == distance[50, 64]).all()  # the building stands where the road ends
    without_ground = weather.depth(torch.full_like(ids, 2), SCENE, torch.tensor([5.0]))
    assert (without_ground == 8).all()


def test_jpeg_is_what_opencv_makes_of_it():
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (50, 70, 3)).astype(np.uint8), (0, 0), 2)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    for quality in (30, 60, 90):
        stored = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        expected = torch.from_numpy(cv2.imdecode(stored, cv2.IMREAD_COLOR)).permute(2, 0, 1)[None].float()
        ours = camera_pipeline.jpeg(pixels, torch.tensor([float(quality)]))
        assert (ours - expected).abs().mean() < 0.35 * (pixels - expected).abs().mean()


def test_demosaicing_keeps_the_pixels_of_the_mosaic_and_even_surfaces():
    rng = np.random.default_rng(0)
    mosaic = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    expected = cv2.cvtColor(mosaic, cv2.COLOR_BayerGRBG2BGR)
    pixels = torch.from_numpy(mosaic)[None, None].float().expand(1, 3, -1, -1)
    ours = camera_pipeline.demosaic(pixels)[0].permute(1, 2, 0).numpy()
    inside = (slice(2, -2), slice(2, -2))
    assert np.abs(ours[inside] - expected[inside]).max() <= 1
    even = torch.tensor([10.0, 20.0, 30.0])[None, :, None, None].expand(1, 3, 9, 11)
    assert torch.allclose(camera_pipeline.demosaic(even), even, atol=1e-4)


def test_a_covered_lens_has_no_labels_and_nothing_to_be_recognised():
    for image, labels in crops(replace(PLAIN, covered=1.0)):
        assert (labels == OUTLIER).all()
        pixels = image + MEAN[:, None, None]
        assert (pixels[..., 1:, :] - pixels[..., :-1, :]).abs().max() < 12  # the picture's edges are of 140


def test_rows_resize_pictures_of_any_size_alike():
    recipe = Recipe(crop=(96, 96), rows=(48, 48))
    for height, width in ((96, 128), (192, 256), (24, 32)):
        labels = torch.zeros(height, width, dtype=torch.uint8)
        picture = torch.zeros(3, height, width, dtype=torch.uint8)
        _, ids = augment([(picture, labels)], MEAN, recipe, [torch.Generator().manual_seed(1)])
        assert (ids == 0).sum().item() == pytest.approx(48 * 64, rel=0.05)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"dark": 0.7, "weather": 0.4}, "together over 1"),
        ({"camera": 1.5}, "a number of 0 to 1$"),
        ({"rows": (800, 400)}, "range of positive numbers"),
        ({"outlier_weight": -1.0}, "a number of 0 to 1000"),
    ],
)
def test_wrong_entries_are_refused(entries, problem):
    with pytest.raises(RecipeError, match=problem):
        Recipe(**entries)
