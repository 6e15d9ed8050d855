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
    """miou: of the deepest exit over all validation images. columns: values for log.csv, by column name."""

    miou: float
    columns: dict[str, float | None]


def validate(checkpoint: Checkpoint, validation: Dataset, train: Dataset, device: str, images: int) -> Score:
    """Evaluate the deepest exit with the torch engine.

    images: number of evenly spaced images of each split; 0: all validation images and as many training images.
    """
    threads = torch.get_num_threads()
    engine = open_engine("torch", checkpoint, EngineOptions(device, exit=checkpoint.spec.exits[-1], threads=threads))

    def run(part: Dataset, progress: Progress = lambda *_: None) -> dict[str, ConfusionMatrix]:
        matrix = evaluate_engine(engine, part, progress)
        torch.set_num_threads(threads)  # Numba on OpenMP changes torch's number of threads
        return {engine.exit: matrix}

    whole, sources = by_source(validation.subsample(images), run)
    train_matrix = run(train.subsample(images or len(validation)))[engine.exit]
    engine.close()
    matrix = whole[engine.exit]
    columns = {"train_miou": train_matrix.miou()}
    if len(sources) > 1:
        columns |= {f"miou:{source}": part[engine.exit].miou() for source, part in sources.items()}
    columns |= {f"iou:{name}": value for name, value in iou_by_class(matrix, validation.classes.names).items()}
    return Score(matrix.miou() or 0.0, columns)


def final_figures(checkpoint: Checkpoint, validation: Dataset, device: str) -> dict[str, Any]:
    """MIoU of every exit over all validation images, for the header of the checkpoint; by source, too."""
    whole, sources = by_source(validation, lambda part, progress: evaluate(checkpoint, part, progress, device=device))
    parts = sources if len(sources) > 1 else None
    return header_metrics(report(checkpoint, validation, whole, validation.classes, parts))
