"""Cascade label guidance."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255


def cascade_loss(
    logits: Sequence[Tensor],
    labels: Tensor,
    weights: Sequence[float] = (0.4, 0.4, 1.0),
    class_weights: Tensor | None = None,
    hardest: float = 1.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Weighted softmax cross entropy over the three branches (paper eq. 2); a scalar.

    logits: three (N, C, h, w) float tensors, coarse to fine. labels: (N, H, W) int64 class ids,
    resized to each branch by nearest. Pixels of id 255 count nowhere. class_weights: (C,).
    hardest: share of the counted pixels of each branch, those of largest loss, that count.
    label_smoothing: share of the target that is spread over all classes.
    Zero, with zero gradients, if no pixel counts. Raises ValueError for another number of weights.
    """
    total = logits[0].new_zeros(())
    for weight, branch in zip(weights, logits, strict=True):
        target = resize_labels(labels, branch.shape[-2], branch.shape[-1])
        losses = F.cross_entropy(
            branch.float(),
            target,
            class_weights,
            ignore_index=IGNORE,
            reduction="none",
            label_smoothing=label_smoothing,
        )
        counted = target != IGNORE
        if hardest < 1:
            threshold = _quantile(losses.detach()[counted], 1 - hardest)
            counted = counted & (losses.detach() >= threshold)
        norm = counted if class_weights is None else class_weights[target.clamp(max=len(class_weights) - 1)] * counted
        total = total + weight * (losses * counted).sum() / norm.sum().clamp(min=1e-6)
    return total


def distillation_loss(
    logits: Sequence[Tensor],
    teacher: Tensor,
    labels: Tensor,
    weights: Sequence[float] = (0.4, 0.4, 1.0),
    temperature: float = 1.0,
) -> Tensor:
    """Weighted divergence of each branch from what a teacher says (Hinton et al., 2015); a scalar.

    teacher: logits (N, C, H', W') of its deepest answer, resized to each branch; every branch learns
    from it. labels: (N, H, W) int64; where the teacher is wrong it is not listened to, where there is
    no label it is. Kullback-Leibler, mean over those pixels, times temperature squared.
    """
    total = logits[0].new_zeros(())
    for weight, branch in zip(weights, logits, strict=True):
        wanted = F.interpolate(teacher.float(), branch.shape[-2:], mode="bilinear", align_corners=True) / temperature
        given = F.log_softmax(branch.float() / temperature, 1)
        divergence = F.kl_div(given, F.log_softmax(wanted, 1), reduction="none", log_target=True).sum(1)
        target = resize_labels(labels, branch.shape[-2], branch.shape[-1])
        heard = (target == IGNORE) | (target == wanted.argmax(1))
        total = total + weight * temperature**2 * (divergence * heard).sum() / heard.sum().clamp(min=1)
    return total


def resize_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """Nearest with corners aligned, as the logits will be resized: (N, H, W) -> (N, height, width)."""
    rows = torch.linspace(0, labels.shape[-2] - 1, height, device=labels.device).round().long()
    columns = torch.linspace(0, labels.shape[-1] - 1, width, device=labels.device).round().long()
    return labels[:, rows][:, :, columns]


def _quantile(values: Tensor, share: float) -> Tensor | float:
    """Smallest value that `share` of the values lie below (torch.quantile has a size limit)."""
    if not values.numel():
        return 0.0
    return values.kthvalue(min(values.numel(), 1 + int(share * values.numel()))).values
