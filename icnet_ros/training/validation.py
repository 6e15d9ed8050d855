"""Validation during training: mIoU on validation and training images, by source and class."""

from dataclasses import dataclass
from typing import Any

import torch

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.evaluate import Progress, by_source, evaluate, evaluate_engine, header_metrics, report
from icnet_ros.metrics.confusion import ConfusionMatrix, iou_by_class


@dataclass(frozen=True)
class Score:
    """miou: of the deepest exit over the validation images. columns: values for log.csv, by column name.

    metrics: for the header of the checkpoint, see `header_metrics`; of the exits that were evaluated.
    """

    miou: float
    columns: dict[str, float | None]
    metrics: dict[str, Any]


def validate(
    checkpoint: Checkpoint, validation: Dataset, train: Dataset, device: str, images: int, *, every_exit: bool = False
) -> Score:
    """Evaluate the deepest exit with the torch engine, or every exit on the validation images.

    images: number of evenly spaced images of each split; 0: all validation images and as many training images.
    """
    threads = torch.get_num_threads()
    deepest = checkpoint.spec.exits[-1]
    engine = open_engine("torch", checkpoint, EngineOptions(device, exit=deepest, threads=threads))

    def run(part: Dataset, progress: Progress = lambda *_: None) -> dict[str, ConfusionMatrix]:
        matrix = evaluate_engine(engine, part, progress)
        torch.set_num_threads(threads)  # Numba on OpenMP changes torch's number of threads
        return {deepest: matrix}

    def run_every_exit(part: Dataset, progress: Progress) -> dict[str, ConfusionMatrix]:
        return evaluate(checkpoint, part, progress, device=device)

    whole, sources = by_source(validation.subsample(images), run_every_exit if every_exit else run)
    train_matrix = run(train.subsample(images or len(validation)))[deepest]
    engine.close()
    matrix = whole[deepest]
    parts = sources if len(sources) > 1 else {}
    columns = {"train_miou": train_matrix.miou()}
    columns |= {f"miou:{source}": part[deepest].miou() for source, part in parts.items()}
    columns |= {f"iou:{name}": value for name, value in iou_by_class(matrix, validation.classes.names).items()}
    metrics = header_metrics(report(checkpoint, validation, whole, validation.classes, parts))
    return Score(matrix.miou() or 0.0, columns, metrics)
