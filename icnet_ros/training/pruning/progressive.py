"""Pruning in steps, with retraining after each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lightning_fabric import Fabric
from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint, load
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.dataset.base import Dataset
from icnet_ros.evaluation.evaluate import evaluate
from icnet_ros.files import write_text
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.loop import Progress, Trainer
from icnet_ros.training.pruning.blocks import without_blocks
from icnet_ros.training.pruning.filters import narrower, pruned
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.session import recipe_for
from icnet_ros.training.start import Start, shift_of


class Step(NamedTuple):
    """One step of pruning. name: of its folder. pruned, retrained: mIoU before and after the retraining."""

    name: str
    pruned: float
    retrained: float


@dataclass(frozen=True)
class Pruning:
    """Result of progressive pruning. before: mIoU of the original network. checkpoint: path of the last one."""

    before: float
    steps: tuple[Step, ...]
    checkpoint: Path


def prune_progressively(
    checkpoint: Checkpoint,
    widths: Sequence[float],
    recipe: Recipe,
    data: Dataset,
    validation: Dataset,
    out: Path,
    fabric: Fabric,
    progress: Progress,
    teacher: Checkpoint | None = None,
    between: int | None = None,
    blocks: Sequence[int] = (),
    parts: Mapping[str, float] = MappingProxyType({}),
) -> Pruning:
    """Prune in steps and retrain with `recipe` after each; the architecture is that of the checkpoint.

    blocks: residual blocks that stay in each stage, () for all; parts: widths of parts. Both are the first step.
    widths: of the further steps.
    between: iterations for all but the last step; default the recipe's. Each step has a folder below `out` and
    is resumed there after an interruption. Writes OUT/prune.json. Raises RecipeError, StateError.
    """

    def miou(candidate: Checkpoint) -> float:
        matrices = evaluate(candidate, validation, lambda *_: None, device=str(fabric.device))
        return matrices[candidate.spec.exits[-1]].miou() or 0.0

    recipe_for(checkpoint, recipe)  # before hours of retraining
    for width in widths:
        narrower(checkpoint, width)
    if any(after >= before for before, after in pairwise(widths)):
        raise RecipeError(f"each width must be smaller than the one before: {', '.join(map(str, widths))}")
    cuts: dict[str, Callable[[Checkpoint], tuple[ModelSpec, dict[str, Tensor]]]] = {}
    if blocks or parts:
        name = "-".join(
            [
                *(["blocks", *map(str, blocks)] if blocks else []),
                *(f"{part}-{width:g}" for part, width in parts.items()),
            ]
        )
        cuts[name] = partial(_cut, blocks=blocks, parts=parts)
        cuts[name](checkpoint)
    cuts |= {f"width-{width:g}": partial(pruned, width=width) for width in widths}
    input_scale = checkpoint.spec.scale_for(data[0][0].shape[0])  # as many rows as before
    before, steps, current = miou(checkpoint), list[Step](), checkpoint
    for name, cut in cuts.items():
        spec, weights = cut(current)
        smaller = Checkpoint(spec, weights, f"{checkpoint.name} pruned to {name}")
        origin: dict[str, Any] = {
            "pruned": {
                "name": current.name,
                "sha256": current.sha256,
                "from": current.spec.width,
                "from_blocks": current.spec.blocks,
                "from_widths": current.spec.widths,
            }
        }
        start = Start(
            weights=weights,
            licence=current.spec.data_licence,
            widths=spec.widths,
            fixed_height=current.spec.frame_height > 0,
            logit_shift=shift_of(current),
            origin=origin,
        )
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        last = len(steps) == len(cuts) - 1
        iterations = recipe.iterations if last or between is None else between
        trainer = Trainer(
            replace(recipe_for(smaller, recipe), input_scale=input_scale, iterations=iterations),
            data, validation, folder, fabric, start, teacher,
        )  # fmt: skip
        retrained = trainer.run(progress)
        steps.append(Step(name, miou(smaller), retrained))
        current = load(folder / "best.safetensors")
    result = Pruning(before, tuple(steps), out / steps[-1].name / "best.safetensors")
    if fabric.global_rank == 0:
        spec = checkpoint.spec
        original = {"width": spec.width, "widths": spec.widths, "blocks": spec.blocks, "miou": before}
        text = json.dumps({**original, "steps": [step._asdict() for step in steps]}, indent=2)
        write_text(out / "prune.json", text + "\n")
    return result


def _cut(
    checkpoint: Checkpoint, blocks: Sequence[int], parts: Mapping[str, float]
) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Without blocks, and with narrower parts."""
    if blocks:
        checkpoint = Checkpoint(*without_blocks(checkpoint, blocks), checkpoint.name)
    return pruned(checkpoint, checkpoint.spec.width, parts) if parts else (checkpoint.spec, dict(checkpoint.weights))
