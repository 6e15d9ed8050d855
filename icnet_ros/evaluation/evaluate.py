"""How well a checkpoint labels an annotated dataset."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.base import Engine, EngineError, Frame, Request
from icnet_ros.evaluation.mapping import ClassMapping, align_classes
from icnet_ros.evaluation.prediction import Prediction
from icnet_ros.metrics.calibration import Calibration
from icnet_ros.metrics.confusion import ConfusionMatrix, iou_by_class, sum_matrices
from icnet_ros.packages import needed_for

Progress = Callable[[int, int], None]


def evaluate(
    checkpoint: Checkpoint,
    dataset: Dataset,
    progress: Progress,
    *,
    scales: Sequence[float] = (),
    flip: bool = False,
    device: str = "cpu",
    mapping: ClassMapping | None = None,
    observers: Sequence[Callable[[Prediction], None]] = (),
) -> dict[str, ConfusionMatrix]:
    """Confusion matrix over the dataset for each exit of the checkpoint.

    scales: input scales, the checkpoint's by default. With several scales, or with `flip` (also the mirrored image),
    softmax probabilities are averaged. mapping: scores its target classes. observers: called with every prediction.
    Raises DatasetError if the classes of checkpoint and dataset differ and no mapping joins them, EngineError without
    torch.
    """
    with needed_for("evaluating every exit at once (without --engine)", EngineError):
        from icnet_ros.evaluation.network_labels import NetworkLabels

    spec = checkpoint.spec
    fold = align_classes(spec.classes, dataset.classes, mapping, dataset.name)
    network = NetworkLabels(checkpoint, device)
    matrices = {name: ConfusionMatrix(len(fold.classes), fold.classes.ignore) for name in spec.exits}
    for number in range(len(dataset)):
        image, ground_truth = dataset[number]
        wanted = scales or (spec.scale_for(image.shape[0]),)
        views = [(scale, mirrored) for scale in wanted for mirrored in (False, True)[: 1 + flip]]
        prediction = Prediction(image, ground_truth, network(image, views))
        for name, labels in prediction.labels.items():
            matrices[name].update(fold.of_ground_truth(ground_truth), fold.of_labels(labels))
        for observe in observers:
            observe(prediction)
        progress(number + 1, len(dataset))
    return matrices


def evaluate_engine(
    engine: Engine,
    dataset: Dataset,
    progress: Progress,
    *,
    mapping: ClassMapping | None = None,
    calibration: Calibration | None = None,
) -> ConfusionMatrix:
    """Confusion matrix over the dataset for the exit of an engine, with its label maps. Raises DatasetError.

    calibration: also gets the confidence of the labels.
    """
    fold = align_classes(engine.spec.classes, dataset.classes, mapping, dataset.name)
    matrix = ConfusionMatrix(len(fold.classes), fold.classes.ignore)
    for number in range(len(dataset)):
        image, ground_truth = dataset[number]
        found = engine.segment([Frame(image)], Request(confidence=calibration is not None))[0]
        scored = fold.of_ground_truth(ground_truth), fold.of_labels(found.labels)
        matrix.update(*scored)
        if calibration is not None and found.confidence is not None:
            calibration.update(*scored, found.confidence)
        progress(number + 1, len(dataset))
    return matrix


def by_source(
    dataset: Dataset,
    run: Callable[[Dataset, Progress], dict[str, ConfusionMatrix]],
    progress: Progress = lambda *_: None,
) -> tuple[dict[str, ConfusionMatrix], dict[str, dict[str, ConfusionMatrix]]]:
    """Matrices by exit over the whole dataset, and the same by source; `run` evaluates one source."""
    parts: dict[str, dict[str, ConfusionMatrix]] = {}
    offset = 0
    for source in dataset.sources:
        part = dataset.select_sources([source])
        parts[source] = run(part, partial(_shifted, progress, offset, len(dataset)))
        offset += len(part)
    return {exit_: sum_matrices(part[exit_] for part in parts.values()) for exit_ in next(iter(parts.values()))}, parts


def _shifted(progress: Progress, offset: int, total: int, done: int, _: int) -> None:
    progress(offset + done, total)


def report(
    checkpoint: Checkpoint,
    dataset: Dataset,
    matrices: dict[str, ConfusionMatrix],
    classes: ClassTable,
    sources: dict[str, dict[str, ConfusionMatrix]] | None = None,
) -> dict[str, Any]:
    """Content of the JSON file: figures of the deepest exit, of all under `exits`, and by source under `sources`.

    classes: the scored classes; `without_pixels` lists those that no pixel is annotated with.
    """
    exits = {name: _figures(matrix, classes) for name, matrix in matrices.items()}
    deepest = list(exits)[-1]
    origin = {"checkpoint": checkpoint.name, "sha256": checkpoint.sha256, "trained": checkpoint.spec.trained}
    data = {"dataset": dataset.name, "split": dataset.split, "pixels": int(matrices[deepest].counts.sum())}
    parts = {
        source: {name: _figures(matrix, classes) for name, matrix in part.items()}
        for source, part in (sources or {}).items()
    }
    annotated = matrices[deepest].ground_truth()
    absent = [name for name, pixels in zip(classes.names, annotated, strict=True) if not pixels]
    figures = {"classes": classes.name, "without_pixels": absent, **exits[deepest]}
    return {**origin, **data, **figures, "exits": exits, "sources": parts}


def header_metrics(report: dict[str, Any]) -> dict[str, Any]:
    """The figures of a report that the header of a checkpoint holds, named as those of a training.

    miou and pixel_accuracy of the deepest exit, miou_EXIT of each and, if there are several, mIoU by source and exit.
    """
    exits = report["exits"]
    deepest = exits[list(exits)[-1]]
    metrics = {"miou": deepest["miou"], "pixel_accuracy": deepest["pixel_accuracy"]}
    metrics |= {f"miou_{name}": one["miou"] for name, one in exits.items()}
    if report["sources"]:
        metrics["sources"] = {
            source: {name: one["miou"] for name, one in part.items()} for source, part in report["sources"].items()
        }
    return metrics


def _figures(matrix: ConfusionMatrix, classes: ClassTable) -> dict[str, Any]:
    return {
        "miou": matrix.miou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
        "class_accuracy": matrix.class_accuracy(),
        "frequency_weighted_iou": matrix.frequency_weighted_iou(),
        "per_class": iou_by_class(matrix, classes.names),
    }
