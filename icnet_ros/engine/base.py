"""The interface that every engine implements, and its data types."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.spec import ModelSpec

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
ChannelOrder = Literal["bgr", "rgb"]
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")
MAX_INTERVAL = 30  # frames that one result of the coarsest branch may serve
STAGES = ("preprocess", "inference", "postprocess")


class EngineError(RuntimeError):
    """An engine cannot be created or has failed; the message says what to do instead."""


class FrameError(EngineError):
    """The network gave something unusable for this frame, such as NaN; it may work for the next one."""


def one_line(err: BaseException) -> str:
    """First line of an exception's message that says something; messages of native libraries may be very long."""
    lines = [line for line in str(err).splitlines() if line.strip()] or [type(err).__name__]
    # OpenVINO begins with the places in its source.
    return next((line for line in lines if not line.startswith(("Exception from src/", "Check '"))), lines[0]).strip()


@dataclass(frozen=True)
class Frame:
    """One picture: `pixels` uint8 (H, W, 3), channels in `order`.

    pixels may be `wire.device.DevicePixels`, which engines on a GPU take from where they are; others copy them by
    `numpy.asarray`.
    size: (height, width) of its label map, None for the picture's own. Labels of another size are computed from the
    logits, not resized. camera: its name, for what is set for each camera. time: its stamp, or when it came (s),
    for what is carried from one frame to the next; NaN if it does not follow another.
    """

    pixels: UInt8
    order: ChannelOrder = "bgr"
    size: tuple[int, int] | None = None
    camera: str = ""
    time: float = math.nan

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            raise ValueError(f"a frame is uint8 (H, W, 3), this one is {self.pixels.dtype} {shape}")
        if self.order not in ("bgr", "rgb"):
            raise ValueError(f"channel order {self.order!r} is neither 'bgr' nor 'rgb'")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"a label map of size {self.size} has no pixels")

    @property
    def label_size(self) -> tuple[int, int]:
        """(height, width) of its label map."""
        return self.size or (self.pixels.shape[0], self.pixels.shape[1])


class DeviceLabels(Protocol):
    """The labels of a frame in the memory of the device that made them.

    shape: (H, W). stream: handle of the CUDA stream on which they are made and copied, None without one.
    """

    shape: tuple[int, int]
    stream: int | None

    def copy_to(self, target: object) -> None:
        """Enqueue a copy into an array uint8 (H, W) with `__cuda_array_interface__` or `__dlpack__`."""


@dataclass(frozen=True)
class LabelMap:
    """The segmentation of one frame, of size `Frame.label_size`.

    labels: uint8 (H, W), class ids. confidence: uint8 (H, W), 0..255 for a probability of 0..1 of
    the class in `labels`, or None if it was not requested. scores: float32 (H, W, n), probabilities of the n classes
    that were requested, or None. stages: milliseconds of each of STAGES. input_rows: height of the network's input, 0
    if unknown. reduced: a faster exit or a smaller input than the most accurate one was used, to keep a deadline.
    device: the same labels on the device, of frames that were there; None if there are none, or if `labels` were
    changed afterwards.
    """

    labels: UInt8
    confidence: UInt8 | None = None
    scores: Float32 | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    input_rows: int = 0
    reduced: bool = False
    device: DeviceLabels | None = None


@dataclass(frozen=True)
class EngineOptions:
    """How to run a checkpoint.

    precision: one of PRECISIONS; "auto" as `engine.precision` chooses it.
    threads: CPU threads, 0 = as many as there are cores. scale: resize factor of the frame before
    the network; rows: height to which frames are resized instead; 0 = as the checkpoint specifies (labels have the
    frame's size either way). cuda_graph:
    replay captured kernels instead of launching each, on CUDA. label_groups: of `checkpoint.groups`, by name or path;
    "" for the classes of the checkpoint. rotate: degrees (0, 90, 180, 270) by which frames are turned clockwise before
    the network; labels are turned back. mask: PNG of the frames' size; where it is not black, pixels are unlabelled;
    {camera} in it stands for each of the names in `cameras`, those of the frames. coarse_branch_interval: 0, or the
    coarsest branch runs after every n-th frame of a camera, and its features serve the next ones; on openvino.
    """

    device: str = "auto"
    precision: str = "fp32"
    exit: str = "sub124"
    threads: int = 0
    scale: float = 0.0
    rows: int = 0
    cuda_graph: bool = True
    label_groups: str = ""
    rotate: int = 0
    mask: str = ""
    cameras: tuple[str, ...] = ("",)
    coarse_branch_interval: int = 0


@dataclass(frozen=True)
class Request:
    """What is wanted for the frames of one call, beside their labels.

    confidence: also confidence maps. scores: ids of the classes whose probabilities are wanted. exit: the exit to use,
    "auto" to let the engine choose; an engine with one exit uses that one. remaining_ms: time that the call may take;
    an engine with several exits chooses one that is expected to keep it.
    """

    confidence: bool = False
    scores: tuple[int, ...] = ()
    exit: str = "auto"
    remaining_ms: float = math.inf


LABELS_ONLY = Request()


@runtime_checkable
class Engine(Protocol):
    """Runs all steps from a frame to its label map. Not thread-safe.

    name, exit: of the engine and exit that labelled the last frame. last_error: why the engine does not work at
    present, "" if it does. has_fallback: whether another engine is used meanwhile.
    """

    name: str
    spec: ModelSpec
    device: str
    precision: str
    exit: str
    last_error: str = ""
    has_fallback: bool = False

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """Run frames of this size, so that the first real frame is not slower than later ones."""

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """Label maps of the frames, in their order; sizes may differ.

        Raises ValueError for a frame too small for the network, EngineError if the device fails.
        """

    def memory(self) -> int | None:
        """Bytes of device memory in use, None where that is not known (CPU)."""

    def close(self) -> None:
        """Free the device, once no frame is being labelled. The engine cannot be used afterwards."""
