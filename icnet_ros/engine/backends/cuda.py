"""Common part of the engines on a CUDA GPU."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.backends.batched import Batched, LruCache, check_size
from icnet_ros.engine.base import STAGES, EngineError, EngineOptions, Frame, FrameError, LabelMap, Request, UInt8
from icnet_ros.engine.grouping import Grouping
from icnet_ros.engine.kernels.ondevice import Places, label, label_groups, places, prepare, probabilities
from icnet_ros.engine.tail import Tail
from icnet_ros.wire.device import DevicePixels

log = logging.getLogger(__name__)
Network = Callable[[Tensor], Tensor]
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class CudaEngine(Batched):
    """Uploads frames from pinned memory, runs all stages on the device, downloads uint8 label maps.

    Frames that are on a device already are copied there, not through the CPU, and their labels can be had there, too.
    That was never run on a GPU, only with a network on the CPU.
    The stages are captured as CUDA graphs once per frame size, one graph per stage so that each can be
    timed. network: maps the output of `prepare` to logits (N, C, h, w).
    """

    def __init__(
        self,
        name: str,
        spec: ModelSpec,
        options: EngineOptions,
        device: torch.device,
        network: Network,
        dtype: torch.dtype,
        tail: Tail | None = None,
    ) -> None:
        self.name = name
        self.tail = tail or Tail()
        self._grouping = Grouping(spec, options)
        self.spec = self._grouping.spec
        self.exit = options.exit
        self.precision = options.precision
        on_gpu = device.type == "cuda"
        self.device = f"{device}: {torch.cuda.get_device_name(device)}" if on_gpu else str(device)
        self._device, self._network, self._dtype = device, network, dtype
        self._scale = options.scale
        self._graphs = on_gpu and options.cuda_graph
        self._runs: LruCache[_Run] = LruCache()  # with their buffers and graphs

    def memory(self) -> int | None:
        """See Engine."""
        return torch.cuda.memory_allocated(self._device) if self._device.type == "cuda" else None

    def close(self) -> None:
        """See Engine."""
        self._runs.clear()
        del self._network
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _segment_batch(self, frames: list[Frame], request: Request) -> list[LabelMap]:
        height, width = frames[0].pixels.shape[:2]
        size = self.spec.network_size(height, width, self._scale)
        check_size(frames[0], size)
        try:
            swap_channels = frames[0].order != self.spec.channel_order
            resident = isinstance(frames[0].pixels, DevicePixels)
            buffers = _Shape(
                (len(frames), height, width), frames[0].label_size, request.confidence, request.scores, resident
            )
            # Streams, events and graphs belong to the current device of the thread, which is GPU 0 at first.
            with torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext():
                run = self._run(buffers, size, swap_channels)
                milliseconds = run([frame.pixels for frame in frames])
        except torch.cuda.OutOfMemoryError as err:
            raise EngineError(f"{self.device}: no memory for {len(frames)} frames of {width}x{height}: {err}") from err
        except RuntimeError as err:
            raise EngineError(f"{self.device} failed at {len(frames)} frames of {width}x{height}: {err}") from err
        if not run.finite:
            raise FrameError("the network gave NaN for this frame; no labels are returned")
        stages = {stage: value / len(frames) for stage, value in zip(STAGES, milliseconds, strict=True)}

        def of_frame(buffer: Tensor | None, number: int) -> Any:
            return None if buffer is None else buffer[number].numpy().copy()

        return [
            LabelMap(
                of_frame(run.labels, number),
                of_frame(run.confidence, number),
                of_frame(run.scores, number),
                stages,
                size[0],
                device=_Labels(run.device_labels[number]) if resident and run.device_labels is not None else None,
            )
            for number in range(len(frames))
        ]

    def _run(self, shape: "_Shape", size: tuple[int, int], swap_channels: bool) -> "_Run":
        def to_input(pixels: Tensor) -> Tensor:
            return prepare(pixels, self.spec, swap_channels, size, self._dtype)

        def make() -> _Run:
            run = _Run(shape, size, to_input, self._network, self._grouping, self.tail, self._device)
            if self._graphs:
                run.capture()
            return run

        return self._runs.get((shape, swap_channels), make)


class _Shape(NamedTuple):
    """What the buffers of a run depend on: (frames, height, width), label size, outputs, whether frames are there."""

    frames: tuple[int, int, int]
    labels: tuple[int, int]
    confidence: bool
    scores: tuple[int, ...]
    on_device: bool


class _Run:
    """Buffers and stages for one batch size and frame size, with or without confidence and scores."""

    def __init__(
        self,
        shape: _Shape,
        input_size: tuple[int, int],
        to_input: Network,
        network: Network,
        grouping: Grouping,
        tail: Tail,
        device: torch.device,
    ) -> None:
        pinned = device.type == "cuda"
        size = (shape.frames[0], *shape.labels)
        from_host = (0, *shape.frames[1:]) if shape.on_device else shape.frames
        self.frames = torch.empty((*from_host, 3), dtype=torch.uint8, pin_memory=pinned)
        self.labels = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        self.confidence = torch.empty_like(self.labels, pin_memory=pinned) if shape.confidence else None
        channels = len(shape.scores)
        self.scores = torch.empty((*size, channels), dtype=torch.float32, pin_memory=pinned) if channels else None
        self._channel_of = torch.from_numpy(grouping.channel_of(shape.scores)).to(device)
        self._group_of = None if grouping.groups is None else torch.from_numpy(grouping.group_of).to(device)
        self._ids = torch.from_numpy(grouping.ids).to(device)
        self.finite = torch.ones((), dtype=torch.bool, pin_memory=pinned)
        self._on_device = shape.on_device
        self.device_labels: Tensor | None = None  # of the last call; written over by the next
        self._uploaded = torch.empty((*shape.frames, 3), dtype=torch.uint8, device=device)
        self._to_input, self._network, self._device = to_input, network, device
        self._align_corners = grouping.spec.align_corners
        self._input_size, self._tail = input_size, tail
        self._places: Places | None = None  # known with the size of the logits, from the first run on
        self._batch: Tensor | None = None
        self._logits: Tensor | None = None
        self._stages: list[Callable[[], object]] = [self._preprocess, self._infer, self._postprocess]

    def __call__(self, pixels: Sequence[UInt8]) -> list[float]:
        """Fill `labels` and `confidence`; returns the milliseconds of each stage."""
        if self._on_device:
            for target, image in zip(self._uploaded, pixels, strict=True):
                _copy_on_device(target, image)
        else:
            for buffer, image in zip(self.frames.numpy(), pixels, strict=True):
                np.copyto(buffer, image)
        if self._device.type != "cuda":
            times = [perf_counter()]
            for stage in self._stages:
                stage()
                times.append(perf_counter())
            return [1000 * (end - start) for start, end in pairwise(times)]
        events = [_event() for _ in range(len(self._stages) + 1)]
        events[0].record()
        for stage, event in zip(self._stages, events[1:], strict=True):
            stage()
            event.record()
        events[-1].synchronize()
        return [start.elapsed_time(end) for start, end in pairwise(events)]

    def capture(self) -> None:
        """Replace each stage by a CUDA graph of it; if that fails, log a warning and stay in eager mode."""
        eager = self._stages
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(3):  # libraries choose their kernels and workspaces before anything is captured
                for stage in eager:
                    stage()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graphs: list[torch.cuda.CUDAGraph] = []
        try:
            for stage in eager:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=graphs[0].pool() if graphs else None):
                    stage()
                graphs.append(graph)
        except RuntimeError as err:
            log.warning("CUDA graph capture failed for %s, running in eager mode: %s", tuple(self.labels.shape), err)
            return
        self._stages = [graph.replay for graph in graphs]

    def _preprocess(self) -> None:
        if not self._on_device:
            self._uploaded.copy_(self.frames, non_blocking=True)
        self._batch = self._to_input(self._uploaded)

    def _infer(self) -> None:
        assert self._batch is not None
        self._logits = self._network(self._batch)

    def _postprocess(self) -> None:
        assert self._logits is not None
        _, height, width = self.labels.shape
        self.finite.copy_(~self._logits.isnan().any(), non_blocking=True)
        confident = self.confidence is not None
        corners = self._align_corners
        if self._places is None:
            rows, columns = self._logits.shape[2:]
            self._places = places((rows, columns), (height, width), self._input_size, self._tail, self._device)
        at = self._places
        if self._group_of is None:
            labels, confidence = label(self._logits, height, width, confident, align_corners=corners, at=at)
        else:
            labels, confidence = label_groups(
                self._logits, self._group_of, self._ids, height, width, confident, align_corners=corners, at=at
            )
        if self.scores is not None:
            scores = probabilities(
                self._logits, self._channel_of, self.scores.shape[-1], height, width, align_corners=corners, at=at
            )
            self.scores.copy_(scores.permute(0, 2, 3, 1), non_blocking=True)
        self.labels.copy_(labels, non_blocking=True)
        self.device_labels = labels
        if self.confidence is not None and confidence is not None:
            self.confidence.copy_(confidence, non_blocking=True)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


class _Labels:
    """See DeviceLabels: a copy, as the buffer of the run is written over by the next frames."""

    def __init__(self, labels: Tensor) -> None:
        self._labels = labels.clone()
        self.shape = (int(labels.shape[0]), int(labels.shape[1]))
        self.stream = _stream(labels.device)

    @torch.inference_mode()
    def copy_to(self, target: object) -> None:
        """See DeviceLabels."""
        _tensor(target, self._labels.device).copy_(self._labels, non_blocking=True)


def _copy_on_device(target: Tensor, pixels: Any) -> None:
    """Copy DevicePixels into `target` (H, W, 3)."""
    with pixels.open_on(_stream(target.device)) as array:
        target.copy_(_tensor(array, target.device)[..., :3], non_blocking=True)  # one channel is repeated


def _tensor(array: Any, device: torch.device) -> Tensor:
    """The memory of an array with `__cuda_array_interface__` or `__dlpack__` as a tensor."""
    if hasattr(array, "__cuda_array_interface__"):
        return torch.as_tensor(array, device=device)
    tensor: Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor


def _stream(device: torch.device) -> int | None:
    return int(torch.cuda.current_stream(device).cuda_stream) if device.type == "cuda" else None
