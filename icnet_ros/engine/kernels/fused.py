"""Upsampling, argmax and confidence in one Triton kernel: full-size logits are never in memory.

Compared with the CPU kernel in Triton's interpreter, and on an H100.
"""

# ruff: noqa: ANN001, ANN202
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256


def label_fused(
    logits: Tensor,
    height: int,
    width: int,
    confidence: bool,
    *,
    align_corners: bool = True,
    places: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C, h, w), any strides -> labels uint8 (N, height, width) and, if requested, confidence.

    places: of `coordinates.affine`, of rows and columns, in place of those of `align_corners` (not run on a GPU yet).
    """
    frames, classes, h, w = logits.shape
    labels = torch.empty((frames, height, width), dtype=torch.uint8, device=logits.device)
    confidence_map = torch.empty_like(labels) if confidence else None
    down, down_start = places[0] if places else _positions(h, height, align_corners)
    across, across_start = places[1] if places else _positions(w, width, align_corners)
    grid = (triton.cdiv(width, BLOCK), height, frames)
    sizes = h, w, height, width, classes
    _label[grid](
        logits,
        labels,
        labels if confidence_map is None else confidence_map,
        *sizes,
        *logits.stride(),
        down,
        across,
        down_start,
        across_start,
        confidence_map is not None,
        BLOCK,
    )
    return labels, confidence_map


def _positions(source: int, target: int, align_corners: bool) -> tuple[float, float]:
    """Source pixels per target pixel, and the source position of target pixel 0, which is cut off at 0."""
    if align_corners:
        return ((source - 1) / (target - 1) if target > 1 else 0.0), 0.0
    return source / target, 0.5 * source / target - 0.5


@triton.jit
def _label(
    logits, labels, confidence,  # pointers
    h, w, height, width, classes,
    by_frame, by_class, by_row, by_column,  # strides of the logits
    down, across, down_start, across_start,  # source pixels per target pixel, source position of target pixel 0
    confident: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    x = tl.program_id(0) * block + tl.arange(0, block)
    y = tl.program_id(1)
    frame = tl.program_id(2)
    inside = x < width
    row = tl.maximum(y * down + down_start, 0.0)
    top = tl.minimum(row.to(tl.int32), h - 1)
    v = row - top
    column = tl.maximum(x * across + across_start, 0.0)
    left = tl.minimum(column.to(tl.int32), w - 1)
    u = column - left
    right = tl.minimum(left + 1, w - 1)
    above = logits + frame * by_frame + top * by_row
    below = logits + frame * by_frame + tl.minimum(top + 1, h - 1) * by_row
    highest = tl.full((block,), float("-inf"), tl.float32)
    best = tl.zeros((block,), tl.int32)
    total = tl.zeros((block,), tl.float32)  # of exp(logit - highest)
    for c in range(classes):
        top_left = tl.load(above + c * by_class + left * by_column, inside).to(tl.float32)
        top_right = tl.load(above + c * by_class + right * by_column, inside).to(tl.float32)
        bottom_left = tl.load(below + c * by_class + left * by_column, inside).to(tl.float32)
        bottom_right = tl.load(below + c * by_class + right * by_column, inside).to(tl.float32)
        value = (1 - v) * ((1 - u) * top_left + u * top_right) + v * ((1 - u) * bottom_left + u * bottom_right)
        larger = value > highest
        if confident:
            total = tl.where(larger, total * tl.exp(highest - value) + 1, total + tl.exp(value - highest))
        best = tl.where(larger, c, best)
        highest = tl.where(larger, value, highest)
    offset = (frame * height + y) * width + x
    tl.store(labels + offset, best.to(tl.uint8), inside)
    if confident:
        tl.store(confidence + offset, (255 / total + 0.5).to(tl.uint8), inside)
