"""Videos of overlays: VP9 in mp4, which browsers play."""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2

from icnet_ros.render.painter import UInt8

# libvpx as for live video: one twentieth of the CPU time of its defaults at a quality that looks the same.
VP9 = {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "lag-in-frames": "0", "crf": "10", "b": "0"}
MAX_THREADS = 4


class VideoError(OSError):
    """A video that cannot be written."""


class Encoder(Protocol):
    """Writes BGR frames of one size into a file."""

    def write(self, bgr: UInt8) -> None:
        """Add a frame."""

    def release(self) -> None:
        """Complete the file."""


class PyAvEncoder:
    """VP9 through PyAV, which lets one choose the speed of the encoder; OpenCV does not."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        """Raises ModuleNotFoundError without PyAV, ValueError if it has no encoder for VP9."""
        import av

        self._path, self._frame, self._failure = path, av.VideoFrame, av.error.FFmpegError
        self._file: Any = av.open(str(path), "w")
        exact = Fraction(rate).limit_denominator(1001)  # as 30000/1001
        try:
            self._stream: Any = self._file.add_stream("libvpx-vp9", rate=exact, options=VP9)
        except ValueError:
            self._file.close()
            raise
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = min(MAX_THREADS, len(os.sched_getaffinity(0)))

    def write(self, bgr: UInt8) -> None:
        """See Encoder. Raises VideoError."""
        self._add(self._frame.from_ndarray(bgr, "bgr24"))

    def release(self) -> None:
        """See Encoder. Raises VideoError."""
        try:
            self._add(None)
        finally:
            self._file.close()

    def _add(self, frame: Any) -> None:
        """Encode a frame, or with None what the encoder still holds."""
        try:
            self._file.mux(self._stream.encode(frame))
        except self._failure as err:  # the file is opened with the first packet
            raise VideoError(f"{self._path}: the video cannot be written: {err}") from err


def open_video(path: Path, rate: float, size: tuple[int, int]) -> Encoder:
    """An encoder for BGR frames of `size` (width, height), `rate` per second. Raises VideoError without a codec."""
    with suppress(ModuleNotFoundError, ValueError):
        return PyAvEncoder(path, rate, size)
    for codec in ("vp09", "mp4v"):  # MPEG-4 where this OpenCV lacks VP9
        video: Any = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)
        if video.isOpened():
            opened: Encoder = video
            return opened
    raise VideoError(f"{path}: this OpenCV can write neither VP9 nor MPEG-4 video")


class VideoWriter:
    """A video whose size is that of its first frame; frames of other sizes are resized to it."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._video: Encoder | None = None
        self._size = 0, 0

    def write(self, bgr: UInt8) -> None:
        """Add a frame. Raises VideoError, see `open_video`."""
        size = bgr.shape[1], bgr.shape[0]
        if self._video is None:
            self._size = size
            self._video = open_video(self._path, self._rate, size)
        self._video.write(bgr if size == self._size else cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        """Complete the file, if there is one."""
        if self._video is not None:
            self._video.release()
