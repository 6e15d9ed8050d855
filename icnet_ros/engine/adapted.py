"""Cameras that are mounted turned, and that see the robot itself."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.engine.base import LABELS_ONLY, Engine, EngineError, EngineOptions, Frame, LabelMap, Request
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.stored_picture import read_stored

log = logging.getLogger(__name__)
# clockwise degrees -> OpenCV's code of the rotation
ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def adapted(engine: Engine, options: EngineOptions) -> Engine:
    """`engine`, with frames turned by `options.rotate` and labels masked by `options.mask`. Raises EngineError."""
    if options.rotate not in (0, *ROTATIONS):
        raise EngineError(f"rotate is {options.rotate}, it takes 0, 90, 180 or 270")
    if not options.rotate and not options.mask:
        return engine
    if "{camera}" not in options.mask:
        masks = {"": options.mask} if options.mask else {}
    elif "" in options.cameras:
        raise EngineError(
            f"mask is {options.mask}, but no camera has a name: set the parameter cameras, or name a file"
        )
    else:
        masks = {camera: options.mask.replace("{camera}", camera) for camera in options.cameras}
    return AdaptedEngine(engine, options.rotate, masks)


class AdaptedEngine(Engine):
    """Runs `engine`: turns frames, turns label maps back, then masks pixels.

    Masked pixels get the id of "unlabelled", confidence 0 and scores 0.
    """

    def __init__(self, engine: Engine, rotate: int, masks: Mapping[str, str]) -> None:
        """rotate: degrees, clockwise. masks: PNG by camera, or that of all cameras as "". Raises EngineError."""
        self._engine, self._rotate = engine, rotate
        self._masks = {camera: Mask(path) for camera, path in masks.items()}
        self.frame_sizes = sorted({mask.pixels.shape for mask in self._masks.values()})  # all it takes; [] for any
        self.spec, self.device, self.precision = engine.spec, engine.device, engine.precision
        self.name, self.exit = engine.name, engine.exit

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. With masks, for frames of their sizes, whatever is asked for."""
        for rows, columns in self.frame_sizes or [(height, width)]:
            turned = self._rotate in (90, 270)
            self._engine.warm_up(columns if turned else rows, rows if turned else columns, batch)

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine. Raises ValueError for a frame whose size is not that of its mask."""
        for frame in frames:
            if mask := self._mask_of(frame):
                mask.check(frame)
        turned = [self._turn(frame) for frame in frames]
        label_maps = self._engine.segment(turned, request)
        return [self._finish(frame, label_map) for frame, label_map in zip(frames, label_maps, strict=True)]

    def memory(self) -> int | None:
        """See Engine."""
        return self._engine.memory()

    def close(self) -> None:
        """See Engine."""
        self._engine.close()

    def _mask_of(self, frame: Frame) -> "Mask | None":
        return self._masks.get(frame.camera, self._masks.get(""))

    def _turn(self, frame: Frame) -> Frame:
        if not self._rotate:
            return frame
        size = frame.label_size if self._rotate == 180 else frame.label_size[::-1]
        turned = cv2.rotate(np.asarray(frame.pixels), ROTATIONS[self._rotate])
        return replace(frame, pixels=np.asarray(turned, np.uint8), size=size)

    def _finish(self, frame: Frame, label_map: LabelMap) -> LabelMap:
        arrays: list[Any] = [label_map.labels, label_map.confidence, label_map.scores]
        if self._rotate:
            arrays = [None if a is None else _rotate_back(a, self._rotate) for a in arrays]
        if mask := self._mask_of(frame):
            masked = mask.at(frame.label_size)
            for array, value in zip(arrays, (self.spec.classes.ignore, 0, 0), strict=True):
                if array is not None:
                    array[masked] = value
        return replace(label_map, labels=arrays[0], confidence=arrays[1], scores=arrays[2], device=None)


class Mask:
    """Pixels of a camera that are not to be labelled: `pixels`, bool (H, W)."""

    def __init__(self, path: str) -> None:
        """path: PNG, masked where it is not 0 (of a palette: where the index is not 0). Raises EngineError."""
        try:
            values = read_stored(Path(path).expanduser(), few_bits=True).values
        except WireError as err:
            raise EngineError(f"mask: {path}: {err}") from err
        self.pixels: Any = values != 0 if values.ndim == 2 else values[..., :3].any(axis=2)
        share = float(self.pixels.mean())
        if share in (0, 1):
            what = "nothing: it is black" if share == 0 else "every pixel: it has no black pixel"
            raise EngineError(f"mask {path} masks {what}. Pixels that are not 0 are not labelled")
        log.info("mask %s: %.1f %% of the pixels are not labelled", path, 100 * share)
        self._path, self._scaled = path, self.pixels

    def check(self, frame: Frame) -> None:
        """Raise ValueError for a frame of another size."""
        (rows, columns), (height, width) = self.pixels.shape, frame.pixels.shape[:2]
        if (rows, columns) != (height, width):
            raise ValueError(
                f"mask {self._path} is {columns}x{rows}, the image {width}x{height}: make a mask of the image's size"
            )

    def at(self, size: tuple[int, int]) -> Any:
        """The mask at the size of a label map; a label is masked if the image pixel at its centre is."""
        if self._scaled.shape != size:  # label maps keep their size
            scaled = cv2.resize(self.pixels.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            self._scaled = scaled.astype(bool)
        return self._scaled


def _rotate_back(array: Any, degrees: int) -> Any:
    return np.ascontiguousarray(np.rot90(array, degrees // 90))  # counter-clockwise
