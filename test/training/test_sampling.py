"""Which crops a training shows, and how they are changed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from street import street

from icnet_ros.dataset.base import read_ids
from icnet_ros.training.loop import learning_rate
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.augment import augment
from icnet_ros.training.samples.sample_cache import SampleCache
from icnet_ros.training.samples.sampling import Sampler, class_counts

MEAN = torch.zeros(3)


def test_an_epoch_shows_every_image_once():
    sampler = Sampler(np.zeros((7, 2), np.int64), seed=3, class_uniform=0.0)
    for epoch in range(3):
        assert sorted(sampler.crop(7 * epoch + k).image for k in range(7)) == list(range(7))


def test_classes_are_drawn_equally_often_from_images_that_have_them():
    counts = np.array([[900, 0, 0], [900, 0, 0], [900, 60, 0], [900, 0, 49]])
    sampler = Sampler(counts, seed=0, class_uniform=0.5)
    crops = [sampler.crop(position) for position in range(4000)]
    shown = Counter(crop.class_id for crop in crops)
    assert shown[None] / 4000 == pytest.approx(0.5, abs=0.03)
    assert shown[0] == pytest.approx(shown[1], rel=0.12)
    assert shown[2] == 0  # 49 pixels are too few to be worth it
    assert {crop.image for crop in crops if crop.class_id == 1} == {2}
    assert [sampler.crop(k) for k in range(50)] == [Sampler(counts, 0, 0.5).crop(k) for k in range(50)]


def test_counts_of_a_dataset(tmp_path):
    data = street(tmp_path, "train", 3, seed=0)
    counts = class_counts(replace(data, pairs=[*data.pairs, data.pairs[0]]))
    assert counts.shape == (4, 4)
    assert np.array_equal(counts[3], counts[0])
    assert counts[1].tolist() == [int((data[1][1] == k).sum()) for k in range(4)]


def test_unlabelled_pixels_are_255_whatever_the_class_table_calls_them(tmp_path):
    data = street(tmp_path, "train", 1, seed=0)
    table = np.arange(256, dtype=np.uint8)
    table[255] = 9
    pairs = [pair._replace(read=read_ids(table)) for pair in data.pairs]
    other = replace(data, classes=replace(data.classes, ignore=9), pairs=pairs)
    assert (other[0][1] == 9).any()
    ((_, labels),) = SampleCache(other, torch.device("cpu")).get([0])
    assert np.array_equal(labels, data[0][1])


def test_a_crop_shows_the_class_it_is_drawn_for():
    labels = torch.zeros(200, 300, dtype=torch.uint8)
    labels[150:156, 20:26] = 7
    image = torch.zeros(3, 200, 300, dtype=torch.uint8)
    recipe = Recipe(crop=(64, 64), scale=(0.5, 2.0))
    for seed in range(40):
        generators = [torch.Generator().manual_seed(seed), torch.Generator()]
        crops = augment([(image, labels), (image, labels)], MEAN, recipe, generators, [7, 9])[1]
        assert crops.shape == (2, 64, 64)
        assert (crops[0] == 7).any()


def test_gamma_sharpness_and_noise_change_pixels_within_their_range_and_labels_not():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 60, 80), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 5, (60, 80), generator=generator, dtype=torch.uint8)
    plain = Recipe(crop=(60, 80), scale=(1.0, 1.0))
    for change in ({"gamma": 0.5}, {"sharpness": 1.0}, {"noise": 60.0}):
        changed = replace(plain, **change)
        spreads = []
        for seed in range(12):
            one, two = (
                augment([(image, labels)], MEAN, r, [torch.Generator().manual_seed(seed)]) for r in (plain, changed)
            )
            assert torch.equal(one[1], two[1])
            assert two[0].min() >= 0
            assert two[0].max() <= 255
            spreads.append(float(two[0].std() / one[0].std()))
        assert max(spreads) > 1.01
        assert change == {"noise": 60.0} or min(spreads) < 0.99


def test_a_trapezoid_keeps_the_rate_and_lets_it_fall_in_a_straight_line():
    recipe = Recipe(iterations=100, learning_rate=0.1, schedule="trapezoid", cooldown=0.4, warm_up=10)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert rates[10:61] == pytest.approx([0.1] * 51)
    assert rates[80] == pytest.approx(0.05)
    assert rates[100] == 0


def test_only_a_rate_that_has_not_begun_to_fall_may_go_on_longer():
    short = Recipe(iterations=100, schedule="trapezoid", cooldown=0.4)
    longer = replace(short, iterations=200)
    assert longer.continues(short, 60)
    assert not longer.continues(short, 61)
    assert short.continues(short, 99)
    long = replace(short, iterations=2800, cooldown=0.9)
    assert replace(long, iterations=3000).continues(long, 280), "2800 * (1 - 0.9) is 279.99 in floating point"
    assert not replace(longer, learning_rate=1.0).continues(short, 10)
    assert not replace(longer, schedule="poly").continues(replace(short, schedule="poly"), 10)
