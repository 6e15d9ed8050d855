"""The torch engine: CPU and CUDA, batch norm folded, channels last."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine import upsample
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, LabelMap, UInt8
from icnet_ros.engine.normalise import normalise
from icnet_ros.network.fold import fold_batch_norm


class TorchEngine:
    """Runs ICNet eagerly. On CUDA (not run on such hardware yet) fp32 or fp16, on the CPU fp32."""

    name = "torch"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        self.spec = checkpoint.spec
        self.exit = options.exit
        self.precision = options.precision
        self._device = _device(options.device)
        self.device = _describe(self._device)
        if options.precision not in ("fp32", "fp16"):
            raise EngineError(f"engine 'torch' has fp32 and fp16, not {options.precision!r}")
        if options.precision == "fp16" and self._device.type == "cpu":
            raise EngineError("fp16 on a CPU is far slower than fp32: set precision to fp32 or device to cuda")
        self._scale = options.scale or checkpoint.spec.input_scale
        self._dtype = torch.float16 if options.precision == "fp16" else torch.float32
        self._threads = options.threads or len(os.sched_getaffinity(0))
        torch.set_num_threads(self._threads)
        network = fold_batch_norm(checkpoint.network([options.exit]))
        self._network = network.to(self._device, self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Compiles the label kernels too."""
        frame = Frame(np.zeros((height, width, 3), np.uint8), self.spec.channel_order)
        for confidence in (False, True, False):
            self.segment([frame] * batch, confidence=confidence)

    def segment(self, frames: Sequence[Frame], *, confidence: bool = False) -> list[LabelMap]:
        """See Engine. Frames of equal size that follow each other run as one batch."""
        answers: list[LabelMap] = []
        for _, group in groupby(frames, key=lambda frame: frame.pixels.shape):
            answers += self._segment_batch(list(group), confidence)
        return answers

    def memory(self) -> int | None:
        """See Engine."""
        return torch.cuda.memory_allocated(self._device) if self._device.type == "cuda" else None

    def close(self) -> None:
        """See Engine."""
        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _segment_batch(self, frames: list[Frame], confidence: bool) -> list[LabelMap]:
        started = perf_counter()
        try:
            batch = self._upload(frames)
            self._wait()
            uploaded = perf_counter()
            logits = self._network(batch)[-1]
            self._wait()
            inferred = perf_counter()
            maps = self._labels(logits, frames[0].pixels.shape[0], frames[0].pixels.shape[1], confidence)
        except torch.OutOfMemoryError as err:
            raise EngineError(
                f"{self.device} has too little memory for {len(frames)} frames of "
                f"{frames[0].pixels.shape[1]}x{frames[0].pixels.shape[0]}: {err}"
            ) from err
        # Each frame is told what it cost, not what it waited for its companions.
        share = 1000 / len(frames)
        stages = {
            "preprocess": (uploaded - started) * share,
            "inference": (inferred - uploaded) * share,
            "postprocess": (perf_counter() - inferred) * share,
        }
        return [LabelMap(labels, sure, stages) for labels, sure in maps]

    def _upload(self, frames: list[Frame]) -> Tensor:
        """Frames of one size -> normalised (N, 3, H', W') on the device, channels last."""
        batch = normalise(frames, self.spec, self._scale)
        return torch.from_numpy(batch).permute(0, 3, 1, 2).to(self._device, self._dtype)

    def _labels(self, logits: Tensor, height: int, width: int, confidence: bool) -> list[tuple[UInt8, UInt8 | None]]:
        if self._device.type == "cuda":
            full = F.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=True)
            labels = full.argmax(1).byte().cpu().numpy()
            if not confidence:
                return [(label, None) for label in labels]
            sure = (full.softmax(1).amax(1) * 255).round().byte().cpu().numpy()
            return list(zip(labels, sure, strict=True))
        upsample.use_threads(self._threads)
        maps = logits.permute(0, 2, 3, 1).numpy()
        if confidence:
            return [upsample.label_and_confidence(one, height, width) for one in maps]
        return [(upsample.label_map(one, height, width), None) for one in maps]

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise EngineError(f"device {name!r} is none of auto, cpu, cuda, cuda:N") from err
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise EngineError(f"device {name!r}: this torch sees no CUDA GPU; set device to cpu or auto")
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise EngineError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA GPUs")
    elif device.type != "cpu":
        raise EngineError(f"device {name!r} is none of auto, cpu, cuda, cuda:N")
    return device


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    try:
        with Path("/proc/cpuinfo").open() as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"cpu: {models[0]}" if models else "cpu"
    except OSError:
        return "cpu"
