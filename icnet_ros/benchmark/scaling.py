"""How time grows with the image, shrinks with threads and workers, and what several cameras share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from icnet_ros.benchmark.engines import whole_path
from icnet_ros.benchmark.node.graph import measure_node
from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import EngineOptions, Frame, UInt8
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.engine.table import open_engine
from icnet_ros.replay.drives import find_drives
from icnet_ros.replay.replay_drives import ReplaySettings, replay_drives
from icnet_ros.replay.selection import Selection
from icnet_ros.replay.workers.processes import ProcessPool

SIZES = ((256, 512), (384, 768), (512, 1024), (768, 1536), (1024, 2048))
THREADS_SIZE = (512, 1024)


def by_size(
    checkpoint: Checkpoint, engine: str, picture: UInt8, options: EngineOptions, rounds: int, progress: Progress
) -> dict[str, Any]:
    """Milliseconds at each of SIZES, network and labels at the image's size; the line through them.

    ms_per_megapixel, offset_ms, r2: of ms = offset + slope * megapixels.
    """
    runs: dict[str, Callable[[], UInt8]] = {}
    engines = []
    for height, width in SIZES:
        # One for each size: an engine keeps the compiled networks of only a few.
        runner = open_engine(engine, checkpoint, replace(options, scale=1.0))
        frame = cv2.resize(picture, (width, height))
        runner.segment([Frame(frame)])
        runs[f"{height}x{width}"] = whole_path(runner, frame)
        engines.append(runner)
    seconds = interleaved(runs, rounds, progress)
    for runner in engines:
        runner.close()
    megapixels = [height * width / 1e6 for height, width in SIZES]
    milliseconds = [1000 * value for value in seconds.values()]
    slope, offset, r2 = fit_line(megapixels, milliseconds)
    points = [{"size": list(size), "ms": ms} for size, ms in zip(SIZES, milliseconds, strict=True)]
    return {"points": points, "ms_per_megapixel": slope, "offset_ms": offset, "r2": r2}


def by_threads(
    checkpoint: Checkpoint,
    engine: str,
    picture: UInt8,
    options: EngineOptions,
    threads: Sequence[int],
    rounds: int,
    progress: Progress,
) -> dict[str, Any]:
    """Milliseconds with each number of threads at THREADS_SIZE, and the serial share after Amdahl's law.

    serial_share: s in time(n) = time(1) * (s + (1 - s) / n), from the largest number of threads; None for one thread.
    """
    frame = cv2.resize(picture, THREADS_SIZE[::-1])
    engines = {
        f"{count} threads": open_engine(engine, checkpoint, replace(options, scale=1.0, threads=count))
        for count in threads
    }
    for runner in engines.values():
        runner.segment([Frame(frame)])
    seconds = interleaved({name: whole_path(runner, frame) for name, runner in engines.items()}, rounds, progress)
    for runner in engines.values():
        runner.close()
    points = [{"threads": n, "ms": 1000 * s} for n, s in zip(threads, seconds.values(), strict=True)]
    return {"points": points, "serial_share": amdahl(points[0]["ms"], points[-1]["ms"], threads[-1])}


def by_cameras(
    counts: Sequence[int],
    rate: float,
    size: tuple[int, int],
    seconds: float,
    parameters: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Labelled images per second of all cameras together, and the 95th percentile of their age, for each number.

    rate: Hz, of each camera. size: (height, width). parameters: of the node.
    """
    points = []
    for number, count in enumerate(counts):
        progress(f"{count} cameras", number, len(counts))
        options = {"cameras": count, "rate": rate, "height": size[0], "width": size[1], "seconds": seconds}
        cameras = measure_node("cameras", {**options, "parameters": parameters})["cameras"].values()
        points.append(
            {
                "cameras": count,
                "offered_hz": count * rate,
                "labelled_hz": sum(one["processed"] for one in cameras) / seconds,
                "age_p95_ms": max(one["age_ms_p95"] for one in cameras),
            }
        )
    return {"points": points, "rate": rate, "size": list(size)}


def by_workers(
    bag: Path, model: str, engine: str, precision: str, threads: int, counts: Sequence[int], progress: Progress
) -> dict[str, Any]:
    """Frames per second of a replay of the bag, with the threads shared among each number of worker processes.

    The start of the processes is included. Raises what `replay_drives` raises.
    """
    points = []
    for count in counts:
        share = max(1, threads // count)
        inference = InferenceSettings(model, engine, EngineOptions(precision=precision, threads=share))
        pool = None if count == 1 else (lambda _, count=count, share=share: ProcessPool(count, share))
        settings = ReplaySettings(inference, pool=pool)
        with TemporaryDirectory() as folder:
            drives = find_drives([bag], "", Path(folder), Selection(), ())
            started = perf_counter()
            run = replay_drives(drives, settings, progress)
            seconds = perf_counter() - started
        frames = sum(one.result.newly_labelled for one in run.drives if one.result)
        points.append({"workers": count, "threads": share, "frames_per_s": frames / seconds})
    return {"points": points}


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Slope, offset and coefficient of determination of the least-squares line."""
    slope, offset = np.polyfit(x, y, 1)
    residual = np.asarray(y) - (slope * np.asarray(x) + offset)
    return float(slope), float(offset), float(1 - residual.var() / np.var(y))


def amdahl(one: float, many: float, threads: int) -> float | None:
    """Serial share s, 0..1, of a task that takes `one` with one thread and `many` with `threads`; None for 1 thread."""
    return None if threads == 1 else min(1.0, max(0.0, (many / one - 1 / threads) / (1 - 1 / threads)))
