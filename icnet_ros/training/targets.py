"""What a crop is trained towards: labels, a teacher's predictions, and pixels that show nothing of the classes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.loss import IGNORE, resize_labels

OUTLIER = 254  # label of a pixel that is none of the classes; it is no class id, nor IGNORE


class Targets(NamedTuple):
    """Targets of a batch, int64 (N, h, w) each.

    labels: class ids, or IGNORE. outliers: bool, what shows nothing of the classes. first, second: classes that a
    teacher finds most probable, IGNORE without a teacher; share: of the first in the probability of both, 0..255.
    """

    labels: Tensor
    outliers: Tensor
    first: Tensor
    second: Tensor
    share: Tensor


def stack_targets(parts: Sequence[Tensor]) -> Tensor:
    """Targets of crops as one batch: (N, 4, h, w) if some have a teacher's, else (N, h, w).

    parts: labels (h, w), or (4, h, w): labels, the teacher's two classes, and the share of the first.
    """
    if all(part.ndim == 2 for part in parts):
        return torch.stack(list(parts))
    return torch.stack([_with_teacher(part) if part.ndim == 2 else part for part in parts])


def _with_teacher(labels: Tensor) -> Tensor:
    return torch.cat([labels[None], torch.full_like(labels, IGNORE).expand(3, -1, -1)])


def split_targets(targets: Tensor) -> Targets:
    """The targets in a batch of `stack_targets`."""
    if targets.ndim == 3:
        targets = torch.stack([_with_teacher(labels) for labels in targets])
    ids = targets[:, 0]
    outliers = ids == OUTLIER
    return Targets(torch.where(outliers, IGNORE, ids), outliers, *targets[:, 1:].unbind(1))


def soft_label_loss(
    logits: Sequence[Tensor], targets: Targets, weights: Sequence[float], class_weights: Tensor | None = None
) -> Tensor:
    """Weighted cross entropy of each branch with the two classes of a teacher (Hinton et al., 2015); a scalar.

    logits: (N, C, h, w) each, targets are resized to them by nearest. Labelled pixels that the teacher predicts wrongly
    are ignored, unlabelled ones are used. The mean over all pixels, so that few crops with a teacher do not count as
    many. class_weights: (C,), as in `cascade_loss`, so that both losses have one optimum.
    """
    total = logits[0].new_zeros(())
    for weight, branch in zip(weights, logits, strict=True):
        labels, _, first, second, share = (resize_labels(one, *branch.shape[-2:]) for one in targets)
        used = (first != IGNORE) & ((labels == IGNORE) | (labels == first))
        logs = F.log_softmax(branch.float(), 1)
        losses = logs.new_zeros(first.shape)
        for ids, part in ((first, share / 255), (second, 1 - share / 255)):
            index = ids.clamp(max=logs.shape[1] - 1)
            scale = part if class_weights is None else part * class_weights[index]
            losses = losses - scale * logs.gather(1, index[:, None])[:, 0]
        total = total + weight * (losses * used).mean()
    return total


def outlier_loss(logits: Sequence[Tensor], outliers: Tensor, weights: Sequence[float]) -> Tensor:
    """Cross entropy with equal probabilities where `outliers` (N, h, w) is true, of each branch; a scalar.

    Outlier exposure (Hendrycks et al., 2019): there the network learns to be unsure. The mean over all pixels.
    """
    total = logits[0].new_zeros(())
    for weight, branch in zip(weights, logits, strict=True):
        wanted = resize_labels(outliers, *branch.shape[-2:])
        excess = -F.log_softmax(branch.float(), 1).mean(1) - torch.log(torch.tensor(float(branch.shape[1])))
        total = total + weight * (excess * wanted).mean()
    return total
