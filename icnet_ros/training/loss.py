"""Loss functions: cascade label guidance, Lovász-softmax and distillation."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255
CLASSIFIERS = ("aux16", "aux8", "cls")  # layers with one row for each class


def cascade_loss(
    logits: Sequence[Tensor],
    labels: Tensor,
    weights: Sequence[float] = (0.4, 0.4, 1.0),
    class_weights: Tensor | None = None,
    hardest: float = 1.0,
    label_smoothing: float = 0.0,
    lovasz: float = 0.0,
) -> Tensor:
    """Weighted softmax cross entropy over the three branches (paper eq. 2); a scalar.

    logits: three (N, C, h, w) float tensors, coarse to fine. labels: (N, H, W) int64 class ids,
    resized to each branch by nearest neighbour. Pixels with id 255 are ignored. class_weights: (C,).
    hardest: share of the labelled pixels of each branch, those with the largest loss, that are used.
    label_smoothing: share of the target that is spread over all classes.
    lovasz: weight of the Lovász-softmax loss of each branch, which is added; of every second row and column, because
    its sorting is slow.
    Zero, with zero gradients, if no pixel is labelled. Raises ValueError for another number of weights.
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
        if lovasz and weight:
            total = total + weight * lovasz * lovasz_softmax(branch[..., ::2, ::2], target[:, ::2, ::2])
    return total


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Lovász-softmax loss, a surrogate of 1 - IoU (Berman et al., CVPR 2018); a scalar in 0..1.

    logits: (N, C, h, w). labels: (N, h, w) int64, pixels with id 255 are ignored. The mean over the classes that are
    in `labels`, each over the whole batch. Zero, with zero gradients, if no pixel is labelled.
    """
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None]
    ids = labels.flatten()
    target = (ids == classes).float()  # (classes, pixels)
    probabilities = logits.float().softmax(1).movedim(1, 0).flatten(1)
    # An error of 0 adds nothing, and such pixels are the last in the order.
    errors = (target - probabilities).abs() * (ids != IGNORE)
    present = target.any(1)
    if not present.is_cuda:  # sorting fewer classes is faster, but a GPU would have to wait for their number
        errors, target, present = errors[present], target[present], present[present]
    errors, order = errors.sort(dim=1, descending=True)
    losses = (errors * _jaccard_gradient(target.gather(1, order))).sum(1)
    return (losses * present).sum() / present.sum().clamp(min=1)


def _jaccard_gradient(target: Tensor) -> Tensor:
    """How much each pixel adds to 1 - IoU if the pixels become wrong in this order; target: (classes, pixels) of 0, 1.

    Algorithm 1 of the paper.
    """
    positives = target.sum(1, keepdim=True)
    intersection = positives - target.cumsum(1)
    union = positives + (1 - target).cumsum(1)
    loss = 1 - intersection / union
    return torch.diff(loss, dim=1, prepend=torch.zeros_like(positives))


def distillation_loss(
    logits: Sequence[Tensor],
    teacher: Tensor,
    labels: Tensor,
    weights: Sequence[float] = (0.4, 0.4, 1.0),
    temperature: float = 1.0,
) -> Tensor:
    """Weighted KL divergence of each branch from the teacher's prediction (Hinton et al., 2015); a scalar.

    teacher: logits (N, C, H', W') of its deepest exit, resized to each branch. labels: (N, H, W) int64.
    Pixels that the teacher predicts wrongly are ignored, as are those of an id that is no class; unlabelled pixels are
    used. The divergence is averaged over the used pixels and multiplied by temperature squared.
    """
    total = logits[0].new_zeros(())
    for weight, branch in zip(weights, logits, strict=True):
        soft = F.interpolate(teacher.float(), branch.shape[-2:], mode="bilinear", align_corners=True) / temperature
        student = F.log_softmax(branch.float() / temperature, 1)
        divergence = F.kl_div(student, F.log_softmax(soft, 1), reduction="none", log_target=True).sum(1)
        target = resize_labels(labels, branch.shape[-2], branch.shape[-1])
        used = (target == IGNORE) | (target == soft.argmax(1))
        total = total + weight * temperature**2 * (divergence * used).sum() / used.sum().clamp(min=1)
    return total


def resize_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """Nearest with corners aligned, as the logits will be resized: (N, H, W) -> (N, height, width)."""
    rows = torch.linspace(0, labels.shape[-2] - 1, height, device=labels.device).round().long()
    columns = torch.linspace(0, labels.shape[-1] - 1, width, device=labels.device).round().long()
    return labels[:, rows][:, :, columns]


def _quantile(values: Tensor, share: float) -> Tensor | float:
    """Quantile `share` of the values (torch.quantile has a size limit)."""
    if not values.numel():
        return 0.0
    return values.kthvalue(min(values.numel(), 1 + int(share * values.numel()))).values


def adjust_logits(
    weights: Mapping[str, Tensor], class_weights: Tensor, amount: float
) -> tuple[dict[str, Tensor], list[float]]:
    """State dict of a network whose logits are less by `amount` * log(class weight), and by how much for each class.

    A loss with class weights makes the probability of each class too large by its weight; this undoes a part of it
    (post-hoc logit adjustment, Menon et al., 2021).
    """
    shift = amount * class_weights.log()
    return subtract_from_logits(weights, shift), [round(value, 6) for value in shift.tolist()]


def subtract_from_logits(weights: Mapping[str, Tensor], shift: Tensor) -> dict[str, Tensor]:
    """State dict of a network whose classifiers give logits less by `shift` (classes,)."""
    biases = {f"{layer}.bias" for layer in CLASSIFIERS}
    return {key: value - shift.to(value) if key in biases else value for key, value in weights.items()}
