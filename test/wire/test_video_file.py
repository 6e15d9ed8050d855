"""Video files as cameras and recorders write them: every frame, as it is seen."""

import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.video_file import read_frames

av = pytest.importorskip("av", reason="no PyAV in this environment (extra video)")
COUNT, STEP = 12, 16


def frames():
    """A white square that moves right in the upper left of a grey picture."""
    for number in range(COUNT):
        picture = np.full((120, 16 * COUNT, 3), 90, np.uint8)
        picture[:32, STEP * number : STEP * (number + 1)] = 255
        yield picture


def written(path, codec="libx264", options=None):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 16 * COUNT, 120, "yuv420p"
        for number, picture in enumerate(frames()):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


INTERLACED = {"x264-params": "tff=1:interlaced=1"}


def places(path):
    return [int(picture[8:24].mean((0, 2)).argmax()) // STEP for picture in read_frames(path)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("drive.mp4", "libx264", INTERLACED),
        ("drive.mts", "libx264", INTERLACED),
        ("drive.mp4", "libx264", None),
        ("drive.hevc", "libx265", {"x265-params": "log-level=none"}),
        ("drive.h264", "libx264", None),
    ],
)
def test_every_frame_is_read_in_order(tmp_path, name, codec, options):
    assert places(written(tmp_path / name, codec, options)) == list(range(COUNT))


def test_without_pyav_an_interlaced_video_is_refused(tmp_path, monkeypatch):
    """OpenCV 4.13 and later read nothing of it and do not say so."""
    path = written(tmp_path / "drive.mp4", options=INTERLACED)
    monkeypatch.setattr("icnet_ros.wire.pictures.video_file.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "av", None)
    if int(cv2.__version__.split(".")[1]) < 13:
        pytest.skip("this OpenCV reads it")
    with pytest.raises(WireError, match=r"its first two frames are equal, .* interlaced video"):
        list(read_frames(path))
    assert places(written(tmp_path / "progressive.mp4")) == list(range(COUNT))
