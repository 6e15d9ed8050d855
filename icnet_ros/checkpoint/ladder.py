"""Exits and input sizes from fast to accurate, among which exit `auto` chooses; also of a second network."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from icnet_ros.checkpoint.file import Checkpoint, open_checkpoint
from icnet_ros.checkpoint.spec import MAX_ROWS, CheckpointError, ModelSpec

log = logging.getLogger(__name__)
KEY = "ladder"  # in ModelSpec.metrics
MIN_ROWS = 32
NAME = r"\w[\w.-]*"  # of a model
MIN_GAIN = 0.002  # of mIoU: steps that are hardly better than a faster one are left out,
MIN_TIME = 1.1  # and those that are hardly faster than a better one


class Step(NamedTuple):
    """An exit, the rows of the network's input (0: as the checkpoint specifies), and the mIoU measured with them.

    model: name of the checkpoint, in the folder of the one that has the ladder; "" for that one.
    """

    exit: str
    rows: int = 0
    miou: float = 0.0
    model: str = ""

    @property
    def label(self) -> str:
        """Such as "sub124", or "fast sub124" of the checkpoint `fast`."""
        return f"{self.model} {self.exit}".strip()

    @property
    def name(self) -> str:
        """Such as "sub124", or "sub124 at 384 rows"."""
        return f"{self.label} at {self.rows} rows" if self.rows else self.label


def read_ladder(spec: ModelSpec) -> tuple[Step, ...]:
    """Steps that `icnet benchmark sizes` stored, from fast to accurate; without them all exits at the default size.

    Raises CheckpointError if they are damaged.
    """
    stored = spec.metrics.get(KEY)
    if stored is None:
        return tuple(Step(name) for name in spec.exits)
    try:
        steps = tuple(_step(one) for one in stored)
    except (KeyError, TypeError, ValueError) as err:
        raise CheckpointError(f"the ladder in the header is damaged ({type(err).__name__}: {err})") from err
    if not steps or not all(step.exit in spec.exits and MIN_ROWS <= step.rows <= MAX_ROWS for step in steps):
        raise CheckpointError(f"the ladder in the header names exits or sizes that the network does not have: {stored}")
    if not all(not step.model or re.fullmatch(NAME, step.model) for step in steps):
        raise CheckpointError(f"the ladder in the header names models by more than their name: {stored}")
    return steps


def networks_of(checkpoint: Checkpoint, ladder: Sequence[Step]) -> dict[str, Checkpoint]:
    """The networks of the steps by name, "" for the checkpoint itself, without those that are not beside it.

    Raises CheckpointError for one that does not fit.
    """
    found: dict[str, Checkpoint] = {}
    for model in dict.fromkeys(step.model for step in ladder):
        if not model:
            found[model] = checkpoint
        elif _beside(checkpoint, model):
            found[model] = load_beside(checkpoint, model)
        else:
            log.warning("%s: the steps of %s in its ladder are left out: it is not beside it", checkpoint.name, model)
    return found


def load_beside(checkpoint: Checkpoint, model: str) -> Checkpoint:
    """The checkpoint `model` in the folder of `checkpoint`, for steps of its ladder. Raises CheckpointError."""
    if not re.fullmatch(NAME, model):
        raise CheckpointError(f"{model!r} is no name of a model: letters, digits, '_', '-' and '.'")
    path = _beside(checkpoint, model)
    if path is None:
        raise CheckpointError(f"{model}.safetensors is not in the folder of {checkpoint.name}")
    found = open_checkpoint(path)
    if found.spec.classes != checkpoint.spec.classes:
        raise CheckpointError(f"{path}: its classes are not those of {checkpoint.name}")
    return found


def _beside(checkpoint: Checkpoint, model: str) -> Path | None:
    path = checkpoint.path and checkpoint.path.with_name(f"{model}.safetensors")
    return path if path and path.exists() else None


def _step(stored: Mapping[str, Any]) -> Step:
    return Step(str(stored["exit"]), int(stored["rows"]), float(stored["miou"]), str(stored.get("model", "")))


def make_ladder(points: Sequence[dict[str, Any]]) -> tuple[Step, ...]:
    """The points {exit, rows, miou, ms, perhaps model} that no other one beats clearly, from fast to accurate."""
    chosen: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda point: float(point["ms"])):
        if not chosen or point["miou"] >= chosen[-1]["miou"] + MIN_GAIN:
            if chosen and point["ms"] < MIN_TIME * chosen[-1]["ms"]:
                chosen.pop()
            chosen.append(point)
    return tuple(_step({**point, "miou": round(point["miou"], 4)}) for point in chosen)


def to_metrics(steps: Sequence[Step]) -> dict[str, Any]:
    """Entry of ModelSpec.metrics for these steps."""
    return {KEY: [{name: value for name, value in step._asdict().items() if value != ""} for step in steps]}
