"""Soft labels of a teacher and pixels that show nothing of the classes, in crops and in the loss."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from street import street

from icnet_ros.checkpoint.file import untrained
from icnet_ros.dataset.outliers import unlabelled
from icnet_ros.dataset.pseudo_labels import encode
from icnet_ros.dataset.table import open_dataset
from icnet_ros.training.curve import read_rows
from icnet_ros.training.loop import Trainer
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.augment import augment
from icnet_ros.training.samples.sample_cache import SampleCache
from icnet_ros.training.targets import OUTLIER, Targets, outlier_loss, soft_label_loss, split_targets, stack_targets

MEAN = torch.tensor([100.0, 110.0, 120.0])
LABELS, SOFT = torch.full((4, 6), 3), torch.stack([torch.full((4, 6), value) for value in (3, 3, 5, 200)])


def targets(labels, first, second, share):
    def whole(value):
        return torch.full((1, 4, 4), value)

    return Targets(whole(labels), whole(labels) == OUTLIER, whole(first), whole(second), whole(share))


def test_crops_with_and_without_a_teacher_make_one_batch():
    assert stack_targets([LABELS, LABELS]).shape == (2, 4, 6)
    mixed = split_targets(stack_targets([LABELS, SOFT]))
    assert mixed.labels.eq(3).all()
    assert [int(part[0].unique()) for part in (mixed.first, mixed.second)] == [255, 255]
    assert [int(part[1].unique()) for part in (mixed.first, mixed.second, mixed.share)] == [3, 5, 200]
    outlier = split_targets(stack_targets([torch.full((4, 6), OUTLIER)]))
    assert outlier.outliers.all()
    assert outlier.labels.eq(255).all()


def test_the_loss_is_the_cross_entropy_with_the_probabilities_of_the_teacher():
    logits = torch.randn(1, 7, 4, 4, generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros(1, 7, 4, 4)
    wanted[:, 2], wanted[:, 6] = 204 / 255, 51 / 255
    unlabelled = targets(255, 2, 6, 204)
    assert soft_label_loss([logits], unlabelled, [1.0]).item() == pytest.approx(
        F.cross_entropy(logits, wanted).item(), rel=1e-5
    )
    assert soft_label_loss([logits], targets(2, 2, 6, 204), [1.0]) == soft_label_loss([logits], unlabelled, [1.0])
    assert soft_label_loss([logits], targets(6, 2, 6, 204), [1.0]) == 0  # the label says that the teacher is wrong
    assert soft_label_loss([logits], targets(2, 255, 255, 255), [1.0]) == 0  # no teacher
    both = soft_label_loss([logits, 2 * logits], unlabelled, [0.5, 1.0])
    parts = [soft_label_loss([one], unlabelled, [1.0]) for one in (logits, 2 * logits)]
    assert both.item() == pytest.approx(0.5 * parts[0].item() + parts[1].item(), rel=1e-5)


def test_class_weights_move_the_optimum_as_in_the_loss_with_labels():
    weights = torch.ones(7)
    weights[6] = 4.0
    logits = torch.zeros(1, 7, 4, 4, requires_grad=True)
    for _ in range(400):
        gradient = torch.autograd.grad(soft_label_loss([logits], targets(255, 2, 6, 204), [1.0], weights), logits)[0]
        logits = (logits - 30 * gradient).detach().requires_grad_()
    found = logits.softmax(1)[0, :, 0, 0]
    assert found[6].item() == pytest.approx(4 * 0.2 / (4 * 0.2 + 0.8), abs=0.02)


def test_where_nothing_of_the_classes_is_seen_equal_probabilities_are_best():
    outliers = torch.zeros(1, 4, 4, dtype=torch.bool)
    sure = torch.zeros(1, 7, 4, 4)
    sure[:, 2] = 5
    assert outlier_loss([sure], outliers, [1.0]) == 0
    outliers[:, :2] = True
    assert outlier_loss([torch.zeros(1, 7, 4, 4)], outliers, [1.0]).item() == pytest.approx(0, abs=1e-6)
    half = sure.clone()
    half[:, :, :2] = 0  # unsure where it should be
    assert outlier_loss([half], outliers, [1.0]).item() == pytest.approx(0, abs=1e-6)
    assert outlier_loss([sure], outliers, [1.0]) > 1


def test_a_source_with_a_teacher_and_one_without_reach_the_crops(tmp_path):
    for name in ("day", "indoor", "labels", "teacher"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "day" / "a.png"), np.full((40, 50, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "indoor" / "b.png"), np.full((40, 50, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "labels" / "a.png"), np.full((40, 50), 255, np.uint8))
    probabilities = np.zeros((40, 50, 19), np.float32)
    probabilities[..., 8], probabilities[:, :25, 0] = 0.25, 0.75
    (tmp_path / "teacher" / "a.png").write_bytes(encode(probabilities).tobytes())
    (tmp_path / "data.yaml").write_text(
        "classes: cityscapes\nsplits: {train: [{images: day, labels: labels, teacher: teacher}, "
        "{images: indoor, outliers: true}]}"
    )
    cache = SampleCache(open_dataset(str(tmp_path / "data.yaml"), None, "train"), torch.device("cpu"))
    recipe = Recipe(crop=(40, 50), scale=(1.0, 1.0))
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    found = split_targets(augment(cache.get([0, 1]), MEAN, recipe, generators)[1])
    left = found.first[0, 0, 0] == 0
    assert torch.equal((found.first[0] == 0)[:, :25], left.expand(40, 25))
    assert sorted(found.first[0].unique().tolist()) == [0, 8]
    assert sorted(found.share[0].unique().tolist()) == [191, 255]
    assert found.labels.eq(255).all()
    assert found.outliers[1].all()
    assert not found.outliers[0].any()
    assert found.first[1].eq(255).all()


def test_a_teacher_and_outliers_count_in_the_loss_of_a_training(tmp_path):
    data, validation = street(tmp_path, "train", 4, seed=0), street(tmp_path, "val", 1, seed=1)
    (tmp_path / "teacher").mkdir()
    pairs = []
    for number, pair in enumerate(data.pairs):
        file = tmp_path / "teacher" / pair.image.name
        known = np.minimum(data.labels(number), len(data.classes) - 1)
        file.write_bytes(encode(np.eye(len(data.classes), dtype=np.float32)[known]).tobytes())
        outlier = pair._replace(label=pair.image, read=unlabelled(data.classes.ignore), outlier=True)
        pairs += [outlier if number % 4 == 0 else pair._replace(teacher=file if number % 2 else None)]
    recipe = Recipe(
        dataset="street", width=0.25, iterations=2, batch=4, crop=(64, 96), learning_rate=0.02, validate_every=2
    )
    losses = {}
    for name, *weights in (("none", 0, 0), ("teacher", 1, 0), ("outlier", 0, 1)):
        weighted = replace(recipe, teacher_weight=weights[0], outlier_weight=weights[1])
        (tmp_path / f"out_{name}").mkdir()
        fabric = Fabric(accelerator="cpu", devices=1)
        Trainer(weighted, replace(data, pairs=pairs), validation, tmp_path / f"out_{name}", fabric).run(lambda *_: None)
        losses[name] = float(read_rows(tmp_path / f"out_{name}" / "log.csv")[0]["loss"])
    assert losses["teacher"] > losses["none"]
    assert losses["outlier"] > losses["none"]


def test_a_teacher_network_teaches_nothing_about_outliers(tmp_path):
    """It is sure of what it has never seen, against which the loss of outliers works."""
    data, validation = street(tmp_path, "train", 2, seed=0), street(tmp_path, "val", 1, seed=1)
    hidden = [
        pair._replace(label=pair.image, read=unlabelled(data.classes.ignore), outlier=True) for pair in data.pairs
    ]
    recipe = Recipe(
        dataset="street", width=0.25, iterations=1, batch=2, crop=(64, 96), learning_rate=0.02, validate_every=1,
        outlier_weight=0.0,
    )  # fmt: skip
    for name, pairs in (("seen", data.pairs), ("outliers", hidden)):
        teacher = untrained(data.classes, 0.25, seed=1)
        fabric = Fabric(accelerator="cpu", devices=1)
        (tmp_path / name).mkdir()
        trainer = Trainer(recipe, replace(data, pairs=pairs), validation, tmp_path / name, fabric, teacher=teacher)
        trainer.run(lambda *_: None)
    loss = float(read_rows(tmp_path / "outliers" / "log.csv")[0]["loss"])
    assert loss == 0
    assert float(read_rows(tmp_path / "seen" / "log.csv")[0]["loss"]) > 0
