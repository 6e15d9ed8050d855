"""Throughput of a replay compared with its engine alone, interleaved."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from icnet_ros.benchmark.timing import Progress
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine
from icnet_ros.replay.labelling import engine_predictor
from icnet_ros.replay.replay_drive import replay_drive
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.reading import read_images


def measure(
    bag: Path, checkpoint: Checkpoint, engine: str, options: EngineOptions, frames: int, rounds: int, progress: Progress
) -> dict[str, Any]:
    """Median frames per second of the engine alone, without and with confidence, and of the replay; and their ratios.

    The engine alone labels the same frames, decoded beforehand, and stores nothing.
    """
    runner = open_engine(engine, checkpoint, options)
    selection = Selection(limit=frames)
    with open_bag(bag) as opened:
        image = opened.image_topic()
        index = index_topics(opened, [image.name])[image.name]
        pictures = [one.picture() for one in read_images(opened, image, index, range(len(index.recorded))[:frames])]
    runner.warm_up(*pictures[0].pixels.shape[:2])
    rates: dict[str, list[float]] = {"engine": [], "engine_with_confidence": [], "replay": []}
    for number in range(rounds):
        progress("measuring", number, rounds)
        for name, confidence in (("engine", False), ("engine_with_confidence", True)):
            started = perf_counter()
            for picture in pictures:
                runner.segment([Frame(picture.pixels, picture.order)], Request(confidence=confidence))
            rates[name].append(len(pictures) / (perf_counter() - started))
        with tempfile.TemporaryDirectory() as folder:
            ResultStore(Path(folder)).prepare("benchmark")
            predict = engine_predictor(runner)
            result = replay_drive(bag, predict, checkpoint.spec.classes, Path(folder), selection, lambda *_: None)
            rates["replay"].append(result.newly_labelled / result.seconds)
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    ratios = {f"replay_over_{name}": medians["replay"] / medians[name] for name in list(rates)[:2]}
    return {"engine_name": runner.name, **medians, **ratios}
