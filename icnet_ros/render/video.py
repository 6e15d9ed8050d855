"""Videos of overlays: VP8 in WebM, which browsers play, by OpenCV.

VP9, the other codec of OpenCV's wheels that browsers play, takes five times as long: OpenCV does not let one choose the
speed of an encoder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from icnet_ros.render.painter import UInt8


class VideoError(OSError):
    """A video that cannot be written."""


class VideoWriter:
    """A video whose size is that of its first frame; frames of other sizes are resized to it."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._video: Any = None
        self._size = 0, 0

    def write(self, bgr: UInt8) -> None:
        """Add a frame. Raises VideoError if this OpenCV has no such encoder."""
        size = bgr.shape[1], bgr.shape[0]
        if self._video is None:
            self._size = size
            with _quiet_stderr():
                self._video = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"VP80"), self._rate, size)
            if not self._video.isOpened():
                raise VideoError(f"{self._path}: this OpenCV cannot write VP8 video")
        self._video.write(bgr if size == self._size else cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        """Complete the file, if there is one."""
        if self._video is not None:
            self._video.release()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep what C code prints off stderr: OpenCV says there that WebM knows no tag for VP8, whatever its log level."""
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
