"""A whole evaluation: what `icnet evaluate` does."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.base import EngineError
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.evaluation.calibration_report import calibration_report, save
from icnet_ros.evaluation.evaluate import Progress, by_source, evaluate, evaluate_engine, report
from icnet_ros.evaluation.figures import PaperFigures
from icnet_ros.evaluation.mapping import ClassMapping, align_classes
from icnet_ros.evaluation.prediction import Prediction
from icnet_ros.metrics.calibration import Calibration
from icnet_ros.metrics.confusion import ConfusionMatrix


@dataclass(frozen=True)
class EvaluationOptions:
    """How a checkpoint is evaluated.

    scales, flip: see `evaluate`. inference: evaluate one exit as its engine labels it; with engine "" every exit of the
    network itself, on the device of the options. figures: folder for the paper's figures.
    calibration: folder for figures about the confidence.
    """

    scales: tuple[float, ...] = ()
    flip: bool = False
    inference: InferenceSettings = field(default_factory=lambda: InferenceSettings(engine=""))
    mapping: ClassMapping | None = None
    figures: Path | None = None
    calibration: Path | None = None


def evaluate_dataset(
    checkpoint: Checkpoint, dataset: Dataset, options: EvaluationOptions, progress: Progress
) -> dict[str, Any]:
    """Run the evaluation; returns the content of `report`. Raises EngineError for conflicting options.

    An ONNX network, and the confidence of any, is evaluated with engine "auto" if none is given.
    """
    inference = options.inference
    if (checkpoint.spec.architecture == "onnx" or options.calibration) and not inference.engine:
        inference = inference.on("auto")
    engine_options = inference.options
    if inference.engine and (options.flip or options.figures or len(options.scales) > 1):
        raise EngineError("--engine labels each image once: leave out --flip, --figures and the second --scale")
    if engine_options.rows and not inference.engine:
        raise EngineError("--rows is for engines: add --engine, or name a --scale")
    if (engine_options.precision, engine_options.exit) != ("fp32", "sub124") and not inference.engine:
        raise EngineError("--precision and --exit are for engines: add --engine (without: all exits, in fp32)")
    if options.figures and options.mapping:
        raise EngineError("--figures shows the checkpoint's own classes: leave out --mapping")
    classes = align_classes(checkpoint.spec.classes, dataset.classes, options.mapping, dataset.name).classes
    if inference.engine:
        scaled = replace(engine_options, scale=options.scales[0] if options.scales else 0.0)
        engine = inference.on(inference.engine, scaled).open(checkpoint)

        confidence = {name: Calibration(len(classes)) for name in dataset.sources if options.calibration}

        def run(part: Dataset, update: Progress) -> dict[str, ConfusionMatrix]:
            seen = confidence.get(part.sources[0])
            matrix = evaluate_engine(engine, part, update, mapping=options.mapping, calibration=seen)
            return {engine_options.exit: matrix}

        matrices, sources = by_source(dataset, run, progress)
        engine.close()
        if options.calibration:
            calibration = calibration_report(confidence, classes.names)
            save(calibration, options.calibration)
            whole = report(checkpoint, dataset, matrices, classes, sources if len(sources) > 1 else None)
            return {**whole, "calibration": calibration}
    else:
        observers: list[Callable[[Prediction], None]] = []
        if options.figures:
            figures = PaperFigures(checkpoint.spec, len(dataset))
            observers.append(figures.update)

        def run(part: Dataset, update: Progress) -> dict[str, ConfusionMatrix]:
            return evaluate(
                checkpoint, part, update,
                scales=options.scales, flip=options.flip, device=engine_options.device, mapping=options.mapping,
                observers=observers,
            )  # fmt: skip

        matrices, sources = by_source(dataset, run, progress)
        if options.figures:
            figures.save(options.figures)
    return report(checkpoint, dataset, matrices, classes, sources if len(sources) > 1 else None)
