"""Videos of overlays."""

from pathlib import Path

import cv2

from icnet_ros.render.painter import UInt8


class VideoError(OSError):
    """A video that cannot be written."""


def open_video(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """A writer for BGR frames of `size` (width, height), `rate` per second. Raises VideoError without a codec."""
    for codec in ("vp09", "mp4v"):  # VP9 plays in browsers; MPEG-4 where this OpenCV lacks it
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)
        if video.isOpened():
            return video
    raise VideoError(f"{path}: this OpenCV can write neither VP9 nor MPEG-4 video")


class VideoWriter:
    """A video whose size is that of its first frame; frames of other sizes are resized to it."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._video: cv2.VideoWriter | None = None
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
