"""Common part of the engines whose network has its input and output in host memory."""

import os
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy.typing as npt

from icnet_ros.checkpoint.spec import STRIDES, ModelSpec
from icnet_ros.engine.backends.batched import Batched, check_size
from icnet_ros.engine.backends.postprocess import label
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, FrameError, LabelMap, Request
from icnet_ros.engine.grouping import Grouping
from icnet_ros.engine.kernels import upsample
from icnet_ros.engine.kernels.compile import loaded
from icnet_ros.engine.kernels.normalise import Batch, normalise
from icnet_ros.engine.kernels.quantise import Quantiser, quantise
from icnet_ros.engine.tail import Tail


class HostEngine(Batched):
    """Pre- and postprocessing on the CPU; a subclass runs the network."""

    planar = True  # `_infer` takes (N, 3, H, W), else (N, H, W, 3)
    quantiser: Quantiser | None = None  # of a network that takes quantised pixels; it is not planar

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._grouping = Grouping(spec, options)
        self.spec = self._grouping.spec
        self.exit = options.exit
        self.precision = options.precision
        self.device = cpu_name()
        self._scale = options.scale
        self._stride = STRIDES.get(options.exit) if spec.architecture in ("icnet", "icnet_two_pass") else None
        self.tail = Tail()  # of networks that are not ICNet, a subclass sets it
        self._batch: npt.NDArray[Any] | None = None
        self._threads = options.threads or len(os.sched_getaffinity(0))

    def _load_kernels(self, *of_input: str) -> None:
        """Begin to load the kernels of the labels and those of the input; a subclass calls it once."""
        of_labels = ["labels", "confidence"] if self._grouping.groups is None else ["groups"]
        self._kernels = loaded(*of_labels, *of_input)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Make ready for batches of this shape; called before each, while kernels may still be loading."""

    @abstractmethod
    def _infer(self, batch: npt.NDArray[Any]) -> Batch:
        """Frames, normalised or quantised, in the layout of `planar` -> logits (N, h, w, classes)."""

    def memory(self) -> int | None:
        """See Engine."""
        return None

    @abstractmethod
    def close(self) -> None:
        """See Engine."""

    def _segment_batch(self, frames: list[Frame], request: Request) -> list[LabelMap]:
        height, width = frames[0].pixels.shape[:2]
        size = self.spec.network_size(height, width, self._scale)
        check_size(frames[0], size)
        self._prepare((len(frames), 3, *size) if self.planar else (len(frames), *size, 3))
        self._kernels.wait()
        upsample.use_threads(self._threads)
        started = perf_counter()
        batch = self._batch = self._input(frames, size)
        prepared = perf_counter()
        logits = self._infer(batch)
        inferred = perf_counter()
        check_logits(logits.shape, len(frames), size, self._grouping.classes, self._stride)
        maps = [self._label(one, frames[0].label_size, size, request) for one in logits]
        # The time of a frame is its share of the batch's time.
        share = 1000 / len(frames)
        stages = {
            "preprocess": (prepared - started) * share,
            "inference": (inferred - prepared) * share,
            "postprocess": (perf_counter() - inferred) * share,
        }
        return [replace(label_map, stages=stages, input_rows=size[0]) for label_map in maps]

    def _input(self, frames: list[Frame], size: tuple[int, int]) -> npt.NDArray[Any]:
        if self.quantiser is not None:
            return quantise(frames, self.spec, size, self.quantiser, self._batch)
        return normalise(frames, self.spec, size, planar=self.planar, out=self._batch)

    def _label(self, logits: Batch, size: tuple[int, int], network: tuple[int, int], request: Request) -> LabelMap:
        """Label map of one frame without its times; logits (h, w, classes). network: size of the network's input."""
        try:
            return label(logits, size, network, self._grouping, self.tail, request)
        except FrameError as err:
            if not self.tail.labels:
                raise
            raise FrameError(
                f"{err} (it gives labels itself: NaN stands for a label that is none of its "
                f"{self._grouping.classes} classes)"
            ) from err


def check_logits(
    shape: tuple[int, ...], frames: int, network_size: tuple[int, int], classes: int, stride: int | None
) -> None:
    """Raise EngineError unless logits of this shape are (N, h, w, classes). stride: of the network, None if unknown."""
    rows, columns = network_size
    size = shape[1:3] if stride is None else (-(-rows // stride), -(-columns // stride))
    if shape != (frames, *size, classes):
        raise EngineError(
            f"the network gives {shape} for an input of {rows}x{columns}; {classes} classes need "
            f"{(frames, *size, classes)}: the file belongs to another network"
        )


def cpu_name() -> str:
    """The processor as /proc/cpuinfo calls it, after "cpu: "."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"cpu: {models[0]}" if models else "cpu"
    except OSError:
        return "cpu"
