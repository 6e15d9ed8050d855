"""Drawn surfaces in training crops."""

from collections import Counter
from dataclasses import replace

import torch

from icnet_ros.training.conditions.scene_classes import SceneClasses
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.augment import augment
from icnet_ros.training.samples.texture import RANDOM_NUMBERS, cellular

MEAN = torch.tensor([100.0, 110.0, 120.0])


def surfaces(count=60, height=352, width=480):
    draws = torch.rand(count, RANDOM_NUMBERS, generator=torch.Generator().manual_seed(0))
    return list(cellular(height, width, draws))


def test_surfaces_differ_are_bounded_and_repeat_with_the_seed():
    drawn = surfaces()
    assert all(torch.equal(one, two) for one, two in zip(drawn, surfaces(), strict=True))
    together = torch.stack(drawn)
    assert together.min() > -0.75
    assert together.max() < 0.5
    assert len({round(one.std().item(), 5) for one in drawn}) > 50
    assert together.mean().abs() < 0.1  # the image hardly becomes darker


def test_a_ground_ends_at_its_horizon_and_its_cells_shrink_towards_it():
    def roughness(rows):
        return (rows[:, 1:] - rows[:, :-1]).abs().mean() / rows.std()

    grounds = [one for one in surfaces() if not one[0].any() and one[-1].any()]
    assert 10 < len(grounds) < 40
    rougher = 0
    for one in grounds:
        drawn = one.any(1)
        first = int(drawn.nonzero()[0])
        assert drawn[first:].all()
        strong = int((one.std(1) > 0.5 * one[-20:].std()).nonzero()[0])
        rougher += bool(roughness(one[strong : strong + 5]) > roughness(one[-20:]))
    assert rougher > 0.8 * len(grounds)


def test_a_surface_is_drawn_on_all_pixels_of_one_class_only():
    labels = torch.full((256, 64), 255, dtype=torch.uint8)
    labels[:, :20], labels[:, 20:40] = 3, 5
    image = torch.full((3, 256, 64), 90, dtype=torch.uint8)
    plain, drawn = (Recipe(crop=(256, 64), scale=(1.0, 1.0), texture=share) for share in (0.0, 1.0))
    touched = set()
    for seed in range(40):
        before, ids = augment([(image, labels)], MEAN, plain, [torch.Generator().manual_seed(seed)])
        after, same = augment([(image, labels)], MEAN, drawn, [torch.Generator().manual_seed(seed)])
        assert torch.equal(ids, same)
        changed = set(ids[0][(before != after)[0].any(0)].tolist())
        assert len(changed) <= 1
        touched |= changed
    assert touched == {3, 5}


def test_the_road_gets_surfaces_of_its_own():
    """Beside those of `texture`, always in perspective, and nowhere in a crop without road."""
    labels = torch.full((256, 256), 5, dtype=torch.uint8)
    labels[:, :64] = 3
    image = torch.full((3, 256, 256), 90, dtype=torch.uint8)
    recipe = Recipe(crop=(256, 256), scale=(1.0, 1.0), road_texture=0.5, texture=0.2)
    plain = replace(recipe, road_texture=0.0, texture=0.0)
    touched = Counter()
    for seed in range(200):
        generators = [torch.Generator().manual_seed(seed) for _ in range(3)]
        before, ids = augment([(image, labels)], MEAN, plain, generators[:1])
        after, _ = augment([(image, labels)], MEAN, recipe, generators[1:2], scene=SceneClasses(road=3))
        without, _ = augment([(image, labels.clamp(min=5))], MEAN, recipe, generators[2:], scene=SceneClasses(road=3))
        touched.update(set(ids[0][(before != after)[0].any(0)].tolist()))
        touched["without"] += int((before != without).any())
    assert 85 < touched[3] < 135  # half of the crops and a few of the fifth
    assert 15 < touched[5] < 50
    assert 20 < touched["without"] < 60


def test_grounds_that_are_asked_for_are_in_perspective():
    draws = torch.rand(60, RANDOM_NUMBERS, generator=torch.Generator().manual_seed(0))
    grounds = cellular(352, 480, draws, ground=torch.ones(60, dtype=torch.bool))
    free = cellular(352, 480, draws, ground=torch.zeros(60, dtype=torch.bool))
    changed = [not torch.equal(one, other) for one, other in zip(grounds, free, strict=True)]
    assert 15 < sum(changed) < 45  # the flat ones
    assert torch.equal(free, cellular(352, 480, draws))


def test_the_share_of_the_crops():
    labels, image = torch.zeros((256, 256), dtype=torch.uint8), torch.full((3, 256, 256), 90, dtype=torch.uint8)
    recipe = Recipe(crop=(256, 256), scale=(1.0, 1.0), texture=0.3)
    crops = (augment([(image, labels)], MEAN, recipe, [torch.Generator().manual_seed(seed)])[0] for seed in range(200))
    drawn = sum(bool(crop[0, 0].std() > 0) for crop in crops)
    assert 35 < drawn < 75
