"""Cameras that are mounted turned, and that see the robot itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, LabelMap, UInt8
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.picture_file import read_picture

# clockwise degrees -> OpenCV's code of the rotation
ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def adapted(engine: Engine, options: EngineOptions) -> Engine:
    """`engine`, with frames turned by `options.rotate` and labels masked by `options.mask`. Raises EngineError."""
    if options.rotate not in (0, *ROTATIONS):
        raise EngineError(f"rotate is {options.rotate}, it takes 0, 90, 180 or 270")
    return AdaptedEngine(engine, options.rotate, options.mask) if options.rotate or options.mask else engine


class AdaptedEngine:
    """Implements Engine around `engine`: turns frames, turns label maps back, then masks pixels.

    Masked pixels get the id of "unlabelled", confidence 0 and scores 0.
    """

    def __init__(self, engine: Engine, rotate: int, mask: str) -> None:
        """rotate: degrees, clockwise. mask: PNG, masked where it is not black; "" for none. Raises EngineError."""
        self._engine, self._rotate, self._path = engine, rotate, mask
        self._mask = _read_mask(mask) if mask else None
        self.frame_size: tuple[int, int] | None = None if self._mask is None else self._mask.shape  # all it takes
        self._masks: dict[tuple[int, int], Any] = {}  # by label size
        self.spec, self.device, self.precision = engine.spec, engine.device, engine.precision
        self.name, self.exit = engine.name, engine.exit

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. With a mask, for frames of its size, whatever is asked for."""
        height, width = self.frame_size or (height, width)
        if self._rotate in (90, 270):
            height, width = width, height
        self._engine.warm_up(height, width, batch)

    def segment(
        self, frames: Sequence[Frame], *, confidence: bool = False, scores: Sequence[int] = ()
    ) -> list[LabelMap]:
        """See Engine. Raises ValueError for a frame whose size is not that of the mask."""
        for frame in frames:
            self._check_size(frame)
        turned = [self._turn(frame) for frame in frames]
        label_maps = self._engine.segment(turned, confidence=confidence, scores=scores)
        return [self._finish(frame, label_map) for frame, label_map in zip(frames, label_maps, strict=True)]

    def memory(self) -> int | None:
        """See Engine."""
        return self._engine.memory()

    def close(self) -> None:
        """See Engine."""
        self._engine.close()

    def _check_size(self, frame: Frame) -> None:
        if self._mask is not None and self._mask.shape != frame.pixels.shape[:2]:
            (rows, columns), (height, width) = self._mask.shape, frame.pixels.shape[:2]
            raise ValueError(
                f"mask {self._path} is {columns}x{rows}, the image {width}x{height}: make a mask of the image's size"
            )

    def _turn(self, frame: Frame) -> Frame:
        if not self._rotate:
            return frame
        size = frame.label_size if self._rotate == 180 else frame.label_size[::-1]
        return Frame(np.asarray(cv2.rotate(frame.pixels, ROTATIONS[self._rotate]), np.uint8), frame.order, size)

    def _finish(self, frame: Frame, label_map: LabelMap) -> LabelMap:
        arrays: list[Any] = [label_map.labels, label_map.confidence, label_map.scores]
        if self._rotate:
            arrays = [None if a is None else _rotate_back(a, self._rotate) for a in arrays]
        if self._mask is not None:
            masked = self._mask_of(frame.label_size)
            for array, value in zip(arrays, (self.spec.classes.ignore, 0, 0), strict=True):
                if array is not None:
                    array[masked] = value
        return replace(label_map, labels=arrays[0], confidence=arrays[1], scores=arrays[2])

    def _mask_of(self, size: tuple[int, int]) -> Any:
        """The mask at the size of a label map; a label is masked if the image pixel at its centre is."""
        assert self._mask is not None
        if size not in self._masks:
            scaled = cv2.resize(self._mask.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            self._masks = {size: scaled.astype(bool)}  # cameras keep their size: one is enough
        return self._masks[size]


def _rotate_back(array: Any, degrees: int) -> Any:
    return np.ascontiguousarray(np.rot90(array, degrees // 90))  # counter-clockwise


def _read_mask(path: str) -> Any:
    file = Path(path).expanduser()
    try:
        picture: UInt8 = read_picture(file)
    except (WireError, OSError) as err:
        raise EngineError(f"mask: {err}") from err
    return picture.any(axis=2)
