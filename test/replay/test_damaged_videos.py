"""Video files with a damaged place in their middle."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from icnet_ros.replay.files import _frames, find_media

av = pytest.importorskip("av", reason="no PyAV in this environment (extra video)")
COUNT = 60


def test_frames_behind_a_damaged_place_are_read(tmp_path):
    """OpenCV ends there, as at the end of the file; it goes on when it is asked again."""
    path, dice = tmp_path / "drive.mp4", np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=15, options={"g": "10", "bf": "0", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(dice.integers(0, 255, (120, 160, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    half, tenth = len(content) // 2, len(content) // 10
    content[half : half + tenth] = bytes(tenth)
    path.write_bytes(content)
    video, first = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        first += 1
    if first >= COUNT * 6 // 10:
        pytest.skip("this OpenCV reads on by itself")
    assert COUNT * 8 // 10 < len(list(_frames(find_media(path)))) < COUNT
