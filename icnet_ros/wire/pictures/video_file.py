"""Frames of a video file: by OpenCV, of an interlaced one by PyAV.

OpenCV 4.13 and later give a picture that is not of the video for each interlaced frame, and call it read
(findings/opencv_reads_nothing_of_interlaced_videos.sh).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.files import check_regular
from icnet_ros.wire.cdr import WireError

UInt8 = npt.NDArray[np.uint8]
MAX_FAILED_READS = 30  # in a row: a damaged place in a video is no end, and OpenCV tells neither
PROBED = 10  # frames: a film begins with progressive ones, or its first picture has one field


@contextmanager
def opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """A video. Raises WireError if OpenCV cannot open it."""
    video = cv2.VideoCapture(str(check_regular(path)))
    try:
        if not video.isOpened():
            raise WireError(f"{path}: no video that OpenCV can open")
        yield video
    finally:
        video.release()


def read_frames(path: Path) -> Iterator[UInt8]:
    """Its frames, BGR uint8 (H, W, 3), turned as the file says. Damaged ones are left out. Raises WireError."""
    if find_spec("av") is None:
        frames = _by_opencv(path)
        first = list(islice(frames, 2))
        if len(first) == 2 and (first[0] == first[1]).all():
            raise WireError(
                f"{path}: its first two frames are equal, as OpenCV {cv2.__version__} may give them of an interlaced "
                "video, which it cannot read: pip install 'icnet_ros[video]', with which that is told"
            )
        yield from chain(first, frames)
    else:
        yield from _by_av(path) if _is_interlaced(path) else _by_opencv(path)


def _by_opencv(path: Path) -> Iterator[UInt8]:
    with opened(path) as video:
        failed = 0
        while failed < MAX_FAILED_READS:
            more, frame = video.read()
            failed = 0 if more else failed + 1
            if more:
                yield np.asarray(frame, np.uint8)


def _is_interlaced(path: Path) -> bool:
    import av

    # What PyAV does not open at all OpenCV may.
    with suppress(av.FFmpegError, IndexError), av.open(str(path)) as file:
        return any(frame.interlaced_frame for frame in islice(file.decode(file.streams.video[0]), PROBED))
    return False


def _by_av(path: Path) -> Iterator[UInt8]:
    import av

    with av.open(str(path)) as file:
        for packet in file.demux(file.streams.video[0]):
            with suppress(av.FFmpegError):  # a damaged place
                for frame in packet.decode():
                    yield np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90)
