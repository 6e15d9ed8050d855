"""End-to-end comparison of engines, from a frame to its label map."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2

from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, UInt8
from icnet_ros.engine.table import open_engine
from icnet_ros.packages import needed_for

if TYPE_CHECKING:
    from torch import nn

SIZES = ((360, 480), (720, 960), (512, 1024), (1024, 2048))
BASELINE = "eager torch"


def compare(
    checkpoint: Checkpoint,
    names: Sequence[str],
    exits: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    picture: UInt8,
    options: EngineOptions,
    rounds: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Every engine and exit at every size: ms, speed-up over eager torch, label agreement with eager torch.

    Eager torch is the network without batch norm folding, then interpolate and argmax; for an ONNX network the first
    engine is in its place. An engine that cannot be opened gives a row with its `error`. picture: BGR, resized to each
    of `sizes` (height, width); the input scale of the checkpoint is ignored.
    """
    with needed_for("the comparison with eager torch", EngineError):
        import torch

    torch.set_num_threads(options.threads or len(os.sched_getaffinity(0)))
    rows: list[dict[str, Any]] = []
    fixed = 0.0 if checkpoint.spec.input_size else 1.0  # the input scale
    for exit_ in exits:
        engines: dict[str, Engine] = {}
        for name in names:
            try:
                wanted = EngineOptions(options.device, options.precision, exit_, options.threads, scale=fixed)
                engines[name] = open_engine(name, checkpoint, wanted)
            except EngineError as err:
                rows.append({"engine": name, "exit": exit_, "error": str(err)})
        network = None if checkpoint.spec.architecture == "onnx" else checkpoint.network([exit_])
        for height, width in sizes:
            rows += _at_size(
                network, checkpoint, engines, exit_, cv2.resize(picture, (width, height)), rounds, progress
            )
        for engine in engines.values():
            engine.close()
    return rows


def _at_size(
    network: "nn.Module | None",
    checkpoint: Checkpoint,
    engines: dict[str, Engine],
    exit_: str,
    frame: UInt8,
    rounds: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    height, width = frame.shape[:2]
    spec = unscaled(checkpoint)

    def update(what: str, done: int, total: int) -> None:
        progress(f"{exit_} {width}x{height}: {what}", done, total)

    segment: dict[str, Callable[[], UInt8]] = {name: whole_path(engine, frame) for name, engine in engines.items()}
    if network is not None:
        from icnet_ros.benchmark import plain

        segment = {BASELINE: partial(plain.segment, network, frame, spec)} | segment
    if not segment:
        return []
    seconds = interleaved(segment, rounds, update)
    baseline = next(iter(segment))
    expected = segment[baseline]()
    return [
        {
            "engine": name,
            "exit": exit_,
            "height": height,
            "width": width,
            "ms": 1000 * value,
            "speedup": seconds[baseline] / value,
            "agreement": float((segment[name]() == expected).mean()),
        }
        for name, value in seconds.items()
    ]


def unscaled(checkpoint: Checkpoint) -> ModelSpec:
    """The description of the checkpoint with input scale 1."""
    return replace(checkpoint.spec, input_scale=1.0, frame_height=0)


def whole_path(engine: Engine, frame: UInt8) -> Callable[[], UInt8]:
    """Labels a BGR frame, to be timed."""
    return lambda: engine.segment([Frame(frame)])[0].labels


def agreement(
    checkpoint: Checkpoint, names: Sequence[str], dataset: Dataset, options: EngineOptions, progress: Progress
) -> dict[str, float]:
    """Share of all pixels of a dataset that each engine labels as engine torch does.

    Raises EngineError for an engine that cannot be opened, DatasetError.
    """
    reference = open_engine("torch", checkpoint, options)
    engines = {name: open_engine(name, checkpoint, options) for name in names}
    same, pixels = dict.fromkeys(names, 0), 0
    for number in range(len(dataset)):
        frame = [Frame(dataset[number][0])]
        expected = reference.segment(frame)[0].labels
        pixels += expected.size
        for name, engine in engines.items():
            same[name] += int((engine.segment(frame)[0].labels == expected).sum())
        progress("comparing", number + 1, len(dataset))
    for engine in (reference, *engines.values()):
        engine.close()
    return {name: count / pixels for name, count in same.items()}


START = """
import json, sys, time
began = time.perf_counter()
import numpy
from icnet_ros.checkpoint.default import load_model
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
name, model, exit_, precision, threads, height, width = sys.argv[1:]
checkpoint = load_model(model)
scale = 0.0 if checkpoint.spec.input_size else 1.0
engine = open_engine(name, checkpoint, EngineOptions("cpu", precision, exit_, int(threads), scale))
engine.segment([Frame(numpy.zeros((int(height), int(width), 3), numpy.uint8))])
first = time.perf_counter() - began
# VmHWM: ru_maxrss starts at the peak of the parent process.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"first_label_s": first, "peak_mb": int(peak.split()[1]) / 1e3}))
"""


def start(name: str, model: str, options: EngineOptions, size: tuple[int, int]) -> dict[str, float]:
    """Seconds from the start of Python to the first label map on the CPU, and peak memory of the process, MB."""
    words = [name, model, options.exit, options.precision, str(options.threads), *map(str, size)]
    process = subprocess.run([sys.executable, "-c", START, *words], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result
