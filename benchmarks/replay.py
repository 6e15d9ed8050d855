"""What a replay costs beside the engine itself: `icnet replay` against its bare engine, interleaved.

    python benchmarks/replay.py BAG [--rounds 5] [--frames 60]

The bare engine labels the same frames, decoded beforehand, one after the other, and keeps nothing. Prints a row for
each round and, last, the medians as JSON.
"""

import json
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from icnet_ros.checkpoint.default import load_model
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.replay import by_engine, replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.image import decode_compressed, decode_image


def main(
    bag: Path,
    engine: Annotated[str, typer.Option()] = "auto",
    precision: Annotated[str, typer.Option()] = "fp32",
    frames: Annotated[int, typer.Option(help="of the bag")] = 60,
    rounds: Annotated[int, typer.Option()] = 5,
) -> None:
    """Measure, in turns: the bare engine without and with confidence, and the replay."""
    checkpoint = load_model("")
    runner = open_engine(engine, checkpoint, EngineOptions(precision=precision))
    selection = Selection(limit=frames)
    with open_bag(bag) as opened:
        image = opened.image_topic()
        decode = decode_compressed if image.compressed else decode_image
        messages = [message.data for _, message in zip(range(frames), opened.messages(image.name), strict=False)]
    pictures = [decode(data) for data in messages]
    runner.warm_up(*pictures[0].pixels.shape[:2])
    found: dict[str, list[float]] = {"bare": [], "bare_with_confidence": [], "replay": []}
    for _ in track(range(rounds), "they take turns", console=Console(stderr=True)):
        for name, confidence in (("bare", False), ("bare_with_confidence", True)):
            started = perf_counter()
            for picture in pictures:
                runner.segment([Frame(picture.pixels, picture.order)], confidence=confidence)
            found[name].append(len(pictures) / (perf_counter() - started))
        with tempfile.TemporaryDirectory() as folder:
            Kept(Path(folder)).prepare("benchmark")
            result = replay(bag, by_engine(runner), checkpoint.spec.classes, Path(folder), selection, lambda *_: None)
            found["replay"].append(result.fresh / result.seconds)
        print(" | ".join(f"{name} {values[-1]:.2f} frames/s" for name, values in found.items()))
    medians = {name: float(np.median(values)) for name, values in found.items()}
    ratios = {f"replay_over_{name}": medians["replay"] / medians[name] for name in ("bare", "bare_with_confidence")}
    print(json.dumps({"engine": runner.name, "precision": precision, **medians, **ratios}))


if __name__ == "__main__":
    typer.run(main)
