import cv2
import numpy as np
import pytest

from icnet_ros.render.video import VideoError, VideoWriter


@pytest.mark.parametrize(("size", "rate"), [((64, 48), 29.97), ((98, 66), 0.5)])
def test_a_video_holds_every_frame_at_its_rate(tmp_path, size, rate, capfd):
    rng = np.random.default_rng(0)
    frames = [cv2.resize(rng.integers(0, 256, (3, 4, 3), np.uint8), size) for _ in range(7)]
    video = VideoWriter(tmp_path / "drive.webm", rate)
    for frame in frames:
        video.write(frame)
    video.write(np.zeros((20, 30, 3), np.uint8))  # the camera was set to another size
    video.close()
    assert capfd.readouterr() == ("", "")
    found = cv2.VideoCapture(str(tmp_path / "drive.webm"))
    assert found.get(cv2.CAP_PROP_FPS) == pytest.approx(rate, rel=1e-3)
    assert b"V_VP8" in (tmp_path / "drive.webm").read_bytes()
    read = [found.read()[1] for _ in range(len(frames) + 2)]
    assert read[-1] is None
    assert all(cv2.PSNR(one, other) > 28 for one, other in zip(frames, read, strict=False))
    assert read[7].shape[1::-1] == size
    assert read[7].max() < 40


def test_a_folder_that_is_not_there(tmp_path):
    video = VideoWriter(tmp_path / "none" / "drive.webm", 10)
    with pytest.raises(VideoError, match=r"drive\.webm"):
        video.write(np.zeros((48, 64, 3), np.uint8))
