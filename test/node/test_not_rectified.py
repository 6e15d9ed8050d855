"""Points that are projected as if the image were rectified, when it is not: how far they are off, after OpenCV."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from sensor_msgs.msg import CameraInfo

from icnet_ros.node.outputs.camera_info import not_rectified

K = np.array([[700.0, 0, 640], [0, 700, 360], [0, 0, 1]])
LENS = {
    "plumb_bob": [-0.25, 0.06, 0.001, -0.0005, 0.0],
    "rational_polynomial": [0.51, -2.63, 0.0004, -0.0001, 1.5, 0.39, -2.45, 1.43],
    "equidistant": [-0.012, 0.004, -0.006, 0.001],
}


def camera(model, distortion, zoom=0.9):
    info = CameraInfo(height=720, width=1280, distortion_model=model, d=list(map(float, distortion)))
    info.k = K.reshape(-1)
    info.p = [700 * zoom, 0.0, 650.0, 0.0, 0.0, 700 * zoom, 350.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def said(info, topic="/cam/image_raw", ground_image="auto"):
    frame = SimpleNamespace(inputs=SimpleNamespace(image_topic=topic), labels=np.zeros((720, 1280), np.uint8))
    return not_rectified(info, frame, ground_image)


@pytest.mark.parametrize("model", LENS)
def test_the_distance_is_that_of_opencv(model):
    info = camera(model, LENS[model])
    grid = np.meshgrid(np.linspace(0, 1279, 17), np.linspace(0, 719, 13))
    pixels = np.stack(grid, -1).reshape(-1, 2)
    points = np.concatenate([(pixels - [650, 350]) / 630, np.ones((len(pixels), 1))], axis=1)[:, None]
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    seen = project(points, np.zeros(3), np.zeros(3), K, np.array(LENS[model]))[0].reshape(-1, 2)
    inside = ((seen >= 0) & (seen < [1280, 720])).all(1)
    expected = np.hypot(*(seen - pixels)[inside].T).max()
    assert expected > 20
    assert f"up to {expected:.0f} pixels beside: subscribe to rectified images" in said(info)


def test_what_is_rectified_or_hardly_bent_is_no_matter():
    bent = camera("plumb_bob", LENS["plumb_bob"])
    assert said(bent, "/cam/image_rect") == said(bent, ground_image="rectified") == ""
    assert said(bent, "/cam/image_rect", "raw")
    assert said(camera("plumb_bob", [0.0] * 5)) == said(camera("", [])) == ""
    assert "an unknown distance beside" in said(camera("thin_prism", [0.1] * 4))
