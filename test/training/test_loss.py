"""The loss: branches, class weights, hard pixels, Lovasz, distillation."""

import pytest
import torch
from torch.nn import functional as F

from icnet_ros.training.loss import cascade_loss, distillation_loss, lovasz_softmax, resize_labels


def branches(classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, classes, n, n, generator=generator, requires_grad=True) for n in (3, 5, 9)]


def test_loss_is_the_weighted_sum_of_the_branches():
    logits, labels = branches(), torch.randint(0, 4, (2, 9, 9))
    labels[0, :3] = 255
    expected = 0
    for weight, branch in zip((0.4, 0.4, 1.0), logits, strict=True):
        n = branch.shape[-1]
        picks = [round(i * 8 / (n - 1)) for i in range(n)]
        expected += weight * F.cross_entropy(branch, labels[:, picks][:, :, picks], ignore_index=255)
    assert cascade_loss(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_class_weights_are_those_of_torch():
    logits, labels, weights = branches(), torch.randint(0, 4, (2, 9, 9)), torch.tensor([0.5, 1.0, 2.0, 4.0])
    labels[1] = 255
    got = cascade_loss(logits, labels, (0, 0, 1), weights)
    assert got.item() == pytest.approx(F.cross_entropy(logits[2], labels, weights, ignore_index=255).item(), rel=1e-5)


def test_ignored_pixels_have_no_gradient():
    logits, labels = branches(), torch.full((2, 9, 9), 255)
    labels[0, 0, 0] = 1
    cascade_loss(logits, labels).backward()
    assert logits[2].grad[0, :, 0, 0].abs().sum() > 0
    assert logits[2].grad[1].abs().sum() == 0
    empty = cascade_loss(branches(), torch.full((2, 9, 9), 255))
    assert empty.item() == 0


def test_only_the_hardest_pixels_count():
    logits, labels = branches(), torch.randint(0, 4, (2, 9, 9))
    losses = F.cross_entropy(logits[2], labels, reduction="none").flatten().sort(descending=True).values
    got = cascade_loss(logits, labels, (0, 0, 1), hardest=0.25)
    assert got.item() == pytest.approx(losses[: len(losses) // 4 + 1].mean().item(), rel=0.02)


def test_lovasz_loss_of_certain_predictions_is_one_minus_the_mean_iou():
    generator = torch.Generator().manual_seed(0)
    labels, predicted = torch.randint(0, 4, (2, 2, 9, 9), generator=generator)
    labels[0, :4] = 255
    logits = 1e3 * F.one_hot(predicted, 6).movedim(-1, 1).float()
    counted = labels != 255
    iou = [
        (counted & (labels == k) & (predicted == k)).sum() / (counted & ((labels == k) | (predicted == k))).sum()
        for k in range(4)
    ]
    assert lovasz_softmax(logits, labels).item() == pytest.approx(1 - torch.stack(iou).mean().item())


def test_lovasz_loss_of_one_pixel_is_the_probability_of_the_other_classes():
    logits = torch.tensor([[0.3, -1.0, 2.0]]).reshape(1, 3, 1, 1)
    expected = 1 - logits.softmax(1)[0, 2].item()
    assert lovasz_softmax(logits, torch.full((1, 1, 1), 2)).item() == pytest.approx(expected)


def test_lovasz_loss_ignores_pixels_and_is_zero_without_labels():
    logits, labels = branches()[2], torch.full((2, 9, 9), 255)
    assert lovasz_softmax(logits, labels).item() == 0
    labels[0, 0, 0] = 1
    lovasz_softmax(logits, labels).backward()
    gradient = logits.grad
    assert gradient[0, 1, 0, 0] < 0
    gradient[0, :, 0, 0] = 0
    assert gradient.abs().sum() == 0


def test_cascade_loss_adds_the_weighted_lovasz_loss():
    logits, labels = branches(), torch.randint(0, 4, (2, 9, 9))
    added = cascade_loss(logits, labels, (0, 0, 0.5), lovasz=2.0) - cascade_loss(logits, labels, (0, 0, 0.5))
    expected = lovasz_softmax(logits[2][..., ::2, ::2], labels[:, ::2, ::2])
    assert added.item() == pytest.approx(expected.item(), rel=1e-5)


def test_labels_are_resized_by_nearest_only():
    labels = torch.arange(35).reshape(1, 5, 7)
    assert torch.equal(resize_labels(labels, 5, 7), labels)
    assert resize_labels(labels, 3, 4)[0].tolist() == [[0, 2, 4, 6], [14, 16, 18, 20], [28, 30, 32, 34]]


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn():
    teacher, unlabelled = torch.randn(2, 4, 9, 9), torch.full((2, 9, 9), 255)
    same = [F.interpolate(teacher, (n, n), mode="bilinear", align_corners=True) for n in (3, 5, 9)]
    assert distillation_loss(same, teacher, unlabelled).item() == pytest.approx(0, abs=1e-5)
    other = branches()
    expected = F.kl_div(other[2].log_softmax(1), teacher.softmax(1), reduction="sum") / (2 * 81)
    got = distillation_loss(other, teacher, unlabelled, (0, 0, 1))
    assert got.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_teacher_is_not_heard_where_it_is_wrong():
    teacher, logits = torch.randn(2, 4, 9, 9), branches()
    labels = teacher.argmax(1)
    labels[0] = (labels[0] + 1) % 4
    distillation_loss(logits, teacher, labels, (0, 0, 1)).backward()
    assert logits[2].grad[0].abs().sum() == 0
    assert logits[2].grad[1].abs().sum() > 0
    assert distillation_loss(branches(), teacher, (teacher.argmax(1) + 1) % 4, (0, 0, 1)).item() == 0
