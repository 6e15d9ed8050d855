"""Pruning in steps, with retraining after each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from icnet_ros.checkpoint.file import Checkpoint, load
from icnet_ros.dataset.base import Dataset
from icnet_ros.evaluation.evaluate import evaluate
from icnet_ros.files import write_text
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.loop import Progress, Trainer
from icnet_ros.training.pruning.filters import narrower, pruned
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.session import recipe_for
from icnet_ros.training.start import Start, shift_of


@dataclass(frozen=True)
class Pruning:
    """Result of progressive pruning.

    before: mIoU of the original network. steps: (width, mIoU after pruning, mIoU after retraining).
    checkpoint: path of the last one.
    """

    before: float
    steps: tuple[tuple[float, float, float], ...]
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
) -> Pruning:
    """Prune to each of `widths` in turn and retrain with `recipe`; the architecture is that of the checkpoint.

    between: iterations for all but the last width; default the recipe's. Each step has a folder below `out` and
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
    input_scale = checkpoint.spec.scale_for(data[0][0].shape[0])  # as many rows as before
    before, steps, current = miou(checkpoint), [], checkpoint
    for width in widths:
        spec, weights = pruned(current, width)
        smaller = Checkpoint(spec, weights, f"{checkpoint.name} pruned to {width:g}")
        origin: dict[str, Any] = {
            "pruned": {"name": current.name, "sha256": current.sha256, "from": current.spec.width}
        }
        start = Start(
            weights=weights,
            licence=current.spec.data_licence,
            fixed_height=current.spec.frame_height > 0,
            logit_shift=shift_of(current),
            origin=origin,
        )
        folder = out / f"width-{width:g}"
        folder.mkdir(parents=True, exist_ok=True)
        last = width == widths[-1]
        iterations = recipe.iterations if last or between is None else between
        trainer = Trainer(
            replace(recipe_for(smaller, recipe), input_scale=input_scale, iterations=iterations),
            data, validation, folder, fabric, start, teacher,
        )  # fmt: skip
        retrained = trainer.run(progress)
        steps.append((width, miou(smaller), retrained))
        current = load(folder / "best.safetensors")
    result = Pruning(before, tuple(steps), out / f"width-{widths[-1]:g}" / "best.safetensors")
    if fabric.global_rank == 0:
        rows = [{"width": width, "pruned": cut, "retrained": after} for width, cut, after in steps]
        text = json.dumps({"width": checkpoint.spec.width, "miou": before, "steps": rows}, indent=2)
        write_text(out / "prune.json", text + "\n")
    return result
