"""Everything that runs on a GPU, in one go: speed, agreement with the CPU, memory, a soak.

On a CPU (`device` "cpu") the same checks run through the same code, for the tests: without CUDA graphs, the fused
kernel and TensorRT.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import cv2
import numpy as np
import torch

from icnet_ros.benchmark.memory import activation_memory
from icnet_ros.benchmark.timing import Progress
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.backends.cuda import DTYPES
from icnet_ros.engine.backends.torch import open_torch_on, torch_device
from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, Request, UInt8
from icnet_ros.engine.table import installed_library, open_engine
from icnet_ros.network.cost import conv_macs

# Smallest share of pixels that must have the label of the CPU in fp32. Classes that are nearly equal may change.
AGREEMENT = {"fp32": 0.999, "fp16": 0.98, "bf16": 0.95, "int8": 0.93}
WARM_UP = 3  # calls; libraries choose their kernels in the first ones


@dataclass(frozen=True)
class Case:
    """An engine to measure. size: (height, width) of the frames and of the network. batch: frames in a call."""

    engine: str
    precision: str
    size: tuple[int, int]
    batch: int = 1
    cuda_graph: bool = True

    @property
    def name(self) -> str:
        """For tables and logs."""
        height, width = self.size
        words = [self.engine, self.precision, f"{height}x{width}"]
        words += [f"batch {self.batch}"] if self.batch > 1 else []
        words += [] if self.cuda_graph else ["without CUDA graphs"]
        return ", ".join(words)


def cases(device: str, sizes: Sequence[tuple[int, int]], batches: Sequence[int]) -> list[Case]:
    """All combinations that make sense on the device; batches at the last size only."""
    on_gpu = torch_device(device).type == "cuda"
    precisions = ("fp32", "fp16", "bf16") if on_gpu else ("fp32", "bf16")
    chosen = [Case("torch", precision, size) for size, precision in product(sizes, precisions)]
    if on_gpu:
        chosen += [Case("torch", precision, sizes[-1], cuda_graph=False) for precision in precisions]
        if installed_library("tensorrt"):
            chosen += [
                Case("tensorrt", precision, size) for size, precision in product(sizes, ("fp32", "fp16", "int8"))
            ]
    fastest = precisions[1]
    return chosen + [Case("torch", fastest, sizes[-1], batch) for batch in batches if batch > 1]


def measure(
    checkpoint: Checkpoint, device: str, chosen: Sequence[Case], picture: UInt8, rounds: int, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each case; one that cannot run has an `error`.

    ms: median time of a call from frames in host memory to labels in host memory. stages: its parts, ms for a frame.
    gflops: of the convolutions, achieved while the network runs. agreement: share of pixels with the label of the CPU
    in fp32; ok: whether that is enough. memory_mb: of the device, after the run.
    """
    reference = open_engine("torch", checkpoint, EngineOptions("cpu", exit=checkpoint.spec.exits[-1], scale=1.0))
    network = checkpoint.network(checkpoint.spec.exits[-1:])
    expected: dict[tuple[int, int], UInt8] = {}
    macs: dict[tuple[int, int], int] = {}
    rows: list[dict[str, Any]] = []
    for number, case in enumerate(chosen):
        progress(case.name, number, len(chosen))
        frame = Frame(_resized(picture, case.size))
        if case.size not in expected:
            expected[case.size] = reference.segment([frame])[0].labels
            macs[case.size] = conv_macs(network, *case.size)
        row: dict[str, Any] = {**vars(case), "name": case.name}
        rows.append(row)
        try:
            engine = _open(case, checkpoint, device)
            row |= _timed(engine, [frame] * case.batch, rounds)
        except (EngineError, CheckpointError, RuntimeError) as err:
            row["error"] = str(err)
            continue
        label_map = engine.segment([frame], Request(confidence=True))[0]
        share = float((label_map.labels == expected[case.size]).mean())
        seconds = row["stages"]["inference"] / 1000
        memory = engine.memory()
        row |= {
            "agreement": share,
            "ok": share >= AGREEMENT[case.precision],
            "gflops": 2 * macs[case.size] / 1e9 / seconds if seconds else None,
            "memory_mb": None if memory is None else memory / 2**20,
        }
        engine.close()
    reference.close()
    progress("measured", len(chosen), len(chosen))
    return rows


def roofline(checkpoint: Checkpoint, device: str, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """What the device can do, by a matrix product and a copy, and what the network asks for.

    peak_gflops: by precision. bandwidth_gb_s: read and written. intensity: floating point operations of the network per
    byte, if every layer reads its input and writes its output once, in fp16.
    """
    target = torch_device(device)
    side, megabytes = (8192, 1024) if target.type == "cuda" else (512, 64)
    peaks = {}
    for precision in ("fp32", "fp16", "bf16") if target.type == "cuda" else ("fp32",):
        one = torch.randn(side, side, device=target, dtype=DTYPES[precision])
        peaks[precision] = 2 * side**3 / 1e9 / _median_seconds(lambda one=one: one @ one, target, rounds)  # type: ignore[misc]
    source = torch.empty(megabytes << 20, dtype=torch.uint8, device=target)
    copied = torch.empty_like(source)
    seconds = _median_seconds(lambda: copied.copy_(source), target, rounds)
    network = checkpoint.network(checkpoint.spec.exits[-1:])
    moved = activation_memory(network, *size).total  # float32: as many bytes as fp16, read and written
    return {
        "peak_gflops": peaks,
        "bandwidth_gb_s": 2 * (megabytes << 20) / 1e9 / seconds,
        "intensity": 2 * conv_macs(network, *size) / moved,
        "size": list(size),
    }


def soak(checkpoint: Checkpoint, device: str, picture: UInt8, seconds: float, progress: Progress) -> dict[str, Any]:
    """Frames of random sizes and batches for some time.

    Counts frames and failures; memory_early: of the device after a tenth of the time, bytes, memory_late: at the end.
    """
    precision = "fp16" if torch_device(device).type == "cuda" else "fp32"
    engine = _open(Case("torch", precision, (0, 0)), checkpoint, device)
    generator = random.Random(0)  # noqa: S311  not for cryptography
    began = monotonic()
    frames, failures, early = 0, 0, None
    while (elapsed := monotonic() - began) < seconds:
        progress("soak", int(elapsed), int(seconds))
        height, width = generator.choice(((480, 640), (720, 1280), (375, 1242), (96, 160), (1080, 1920), (241, 319)))
        batch = generator.choice((1, 1, 2, 4))
        try:
            frames += len(
                engine.segment([Frame(_resized(picture, (height, width)))] * batch, Request(confidence=batch > 1))
            )
        except EngineError:
            failures += 1
        if early is None and elapsed > seconds / 10:
            early = engine.memory()
    late = engine.memory()
    engine.close()
    return {"seconds": seconds, "frames": frames, "failures": failures, "memory_early": early, "memory_late": late}


def disagreements(rows: Sequence[dict[str, Any]], soaked: dict[str, Any]) -> list[str]:
    """What is wrong, for the exit code; a case that could not run is not among it."""
    found = []
    for row in rows:
        if row.get("ok") is False:
            wanted = f"at least {AGREEMENT[row['precision']]:.1%} expected"
            found.append(f"{row['name']}: {row['agreement']:.2%} of the pixels as on the CPU, {wanted}")
    return found + ([f"soak: {soaked['failures']} calls failed"] if soaked["failures"] else [])


def _open(case: Case, checkpoint: Checkpoint, device: str) -> Engine:
    options = EngineOptions(
        device,
        case.precision,
        checkpoint.spec.exits[-1],
        scale=1.0 if case.size[0] else 0.0,
        cuda_graph=case.cuda_graph,
    )
    target = torch_device(device)
    if case.engine == "torch" and target.type == "cpu":  # the engine of the GPU, also in bf16
        return open_torch_on(target, checkpoint, options)
    return open_engine(case.engine, checkpoint, replace(options, device=str(target)))


def _timed(engine: Engine, frames: list[Frame], rounds: int) -> dict[str, Any]:
    for _ in range(WARM_UP):
        engine.segment(frames)
    times, stages = [], []
    for _ in range(rounds):
        started = perf_counter()
        label_maps = engine.segment(frames)
        times.append(1000 * (perf_counter() - started))
        stages.append(label_maps[0].stages)
    return {
        "ms": median(times),
        "frames_per_s": 1000 * len(frames) / median(times),
        "stages": {stage: median(one[stage] for one in stages) for stage in stages[0]},
    }


def _median_seconds(run: Callable[[], object], device: torch.device, rounds: int) -> float:
    times = []
    for number in range(WARM_UP + rounds):
        started = perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= WARM_UP:
            times.append(perf_counter() - started)
    return median(times)


def _resized(picture: UInt8, size: tuple[int, int]) -> UInt8:
    resized: UInt8 = np.asarray(cv2.resize(picture, size[::-1]), np.uint8)
    return resized
