"""Accuracy and time of every exit at several input sizes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from icnet_ros.benchmark.engines import whole_path
from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.ladder import Step
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.base import EngineOptions, Frame, UInt8
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.evaluate import evaluate_engine
from icnet_ros.evaluation.mapping import ClassMapping

ROWS = (256, 320, 384, 448, 512, 640, 768, 1024)


def measure(
    checkpoints: Sequence[Checkpoint],
    engine: str,
    exits: Sequence[str],
    rows: Sequence[int],
    dataset: Dataset,
    picture: UInt8,
    options: EngineOptions,
    rounds: int,
    progress: Progress,
    *,
    mapping: ClassMapping | None = None,
) -> list[dict[str, Any]]:
    """Points {model, exit, label, rows, precision, miou, ms} for each checkpoint, exit and input height.

    model: name of the checkpoint, "" for the first. label: both, as of `Step`. miou: on `dataset`. ms: from `picture`,
    BGR, to its label map; all points alternate. options: precision, threads. Raises EngineError, DatasetError.
    """
    points: list[dict[str, Any]] = []
    runs: dict[str, Callable[[], UInt8]] = {}
    engines = []
    for checkpoint, exit_, height in product(checkpoints, exits, rows):
        model = "" if checkpoint is checkpoints[0] else checkpoint.name
        step = Step(exit_, height, model=model)
        opened = open_engine(engine, checkpoint, replace(options, exit=exit_, rows=height))
        matrix = evaluate_engine(opened, dataset, partial(progress, f"mIoU of {step.name}"), mapping=mapping)
        of_network = {"model": model, "exit": exit_, "label": step.label, "rows": height}
        points.append({**of_network, "precision": opened.precision, "miou": matrix.miou()})
        opened.segment([Frame(picture)])
        runs[step.name] = whole_path(opened, picture)
        engines.append(opened)
    seconds = interleaved(runs, rounds, progress)
    for opened in engines:
        opened.close()
    return [point | {"ms": 1000 * value} for point, value in zip(points, seconds.values(), strict=True)]
