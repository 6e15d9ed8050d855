"""Base class of all engines: groups frames into batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import Generic, TypeVar

import numpy as np

from icnet_ros.engine.base import LABELS_ONLY, Engine, Frame, LabelMap, Request
from icnet_ros.wire.device import DevicePixels

V = TypeVar("V")
# Compiled networks and buffers are kept for this many shapes of frames and outputs: a camera has one, or some if frames
# of several cameras come in batches.
CACHED_SIZES = 8
MAX_INPUT_PIXELS = 40_000_000  # of the network's input: 4K images at twice their size
# Of frames with less than a quarter of these pixels. A network that sees all frames at one height gets a few wide rows
# as an endless strip, and all cameras would wait for it.
MAX_STRIP_PIXELS = 4_000_000


class Batched(Engine, ABC):
    """Runs consecutive frames of equal size, channel order and place as one batch."""

    @abstractmethod
    def _segment_batch(self, frames: list[Frame], request: Request) -> list[LabelMap]:
        """Label maps of frames of one size, channel order and label size, all on a device or all on the CPU."""

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Whatever is compiled on first use is compiled now."""
        frame = Frame(np.zeros((height, width, 3), np.uint8), self.spec.channel_order)
        for confidence in (False, True, False):
            self.segment([frame] * batch, Request(confidence=confidence))

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine."""
        label_maps: list[LabelMap] = []
        for _, group in groupby(frames, key=_kind):
            alike = list(group)
            size = 1 if self.spec.architecture == "onnx" else len(alike)  # other networks may take one image only
            for first in range(0, len(alike), size):
                label_maps += self._segment_batch(alike[first : first + size], request)
        return label_maps


def _kind(frame: Frame) -> tuple[object, ...]:
    return frame.pixels.shape, frame.order, frame.label_size, isinstance(frame.pixels, DevicePixels)


class LruCache(Generic[V]):
    """Keeps the CACHED_SIZES most recently used values."""

    def __init__(self) -> None:
        self._values: dict[Hashable, V] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`; calls `make` if it is not cached."""
        value = self._values.pop(key) if key in self._values else None
        if value is None:
            if len(self._values) == CACHED_SIZES:
                del self._values[next(iter(self._values))]
            value = make()
        self._values[key] = value  # back in, as the newest
        return value

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        """Remove all values."""
        self._values.clear()


def check_size(frame: Frame, size: Sequence[int]) -> None:
    """Raise ValueError if the network would see less than 32 x 32, or too many pixels for a frame of this size."""
    height, width = frame.pixels.shape[:2]
    if min(size) < 32:
        raise ValueError(f"the network needs at least 32x32, this {width}x{height} frame gives it {size[1]}x{size[0]}")
    limit = min(MAX_INPUT_PIXELS, max(MAX_STRIP_PIXELS, 4 * height * width))
    if size[0] * size[1] > limit:
        raise ValueError(
            f"this {width}x{height} frame gives the network {size[1]}x{size[0]}, over {limit} pixels: set "
            "input_rows or input_scale"
        )
