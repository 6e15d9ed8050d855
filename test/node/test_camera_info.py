"""CameraInfo of labels: K of the delivered image is that of the sensor, cut and binned, as in image_geometry."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icnet_ros.node.outputs.camera_info import for_size, of_labels, rectified_matrix
from icnet_ros.wire.calibration import check_view, with_size

HEADER = Header(frame_id="optical")


def sensor(roi=(0, 0, 0, 0), binning=(0, 0)):
    info = CameraInfo(width=1280, height=960, binning_x=binning[0], binning_y=binning[1])
    info.k = [1000.0, 0.0, 640.0, 0.0, 900.0, 480.0, 0.0, 0.0, 1.0]
    info.p = [1000.0, 0.0, 640.0, -120.0, 0.0, 900.0, 480.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = roi
    return info


@pytest.mark.parametrize(
    ("roi", "binning", "size", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (960, 1280), (1000, 640, 900, 480)),
        ((0, 0, 0, 0), (2, 2), (480, 640), (500, 320, 450, 240)),
        ((320, 240, 640, 480), (0, 0), (480, 640), (1000, 320, 900, 240)),
        ((320, 240, 640, 480), (2, 2), (240, 320), (500, 160, 450, 120)),
        ((320, 240, 640, 480), (2, 2), (120, 160), (250, 80, 225, 60)),
        ((0, 0, 0, 0), (0, 0), (480, 320), (250, 160, 450, 240)),
    ],
)
def test_the_matrix_of_the_pixels(roi, binning, size, expected):
    """size: of the labels. expected: fx, cx, fy, cy."""
    info = for_size(sensor(roi, binning), HEADER, *size)
    assert np.allclose([info.k[0], info.k[2], info.k[4], info.k[5]], expected)
    assert np.allclose([info.p[0], info.p[2], info.p[5], info.p[6]], expected)
    assert info.p[3] == pytest.approx(-0.12 * expected[0])
    assert ((info.height, info.width), info.binning_x, info.binning_y, info.roi.width) == (size, 0, 0, 0)


def test_labels_of_the_delivered_size_have_the_cameras_own_info():
    """Whoever reads it applies binning and region of interest."""
    sent = sensor((320, 240, 640, 480), (2, 2))
    info = of_labels(sent, HEADER, 240, 320)
    assert info.header.frame_id == "optical"
    info.header = sent.header
    assert info == sent


@pytest.mark.parametrize("size", [(960, 1280), (480, 640), (481, 641), (333, 444), (960, 1281)])
def test_an_image_that_was_only_resized_is_of_its_camera(size):
    check_view(sensor(), *size)
    check_view(CameraInfo(), *size)  # a driver that leaves the size at 0


@pytest.mark.parametrize("size", [(720, 1280), (480, 480), (1280, 960)])
def test_the_camera_info_of_another_view_is_refused(size):
    with pytest.raises(ValueError, match=f"a view of 1280x960, the image has {size[1]}x{size[0]}"):
        check_view(sensor(), *size)


def test_an_uncalibrated_camera_stays_so():
    info = for_size(CameraInfo(width=64, height=48), HEADER, 24, 32)
    assert not np.any(info.k)
    assert not np.any(info.p)
    assert (info.height, info.width) == (24, 32)


def test_the_matrix_of_a_rectified_image_is_that_of_p():
    info = sensor()
    info.p = [800.0, 0.0, 620.0, -96.0, 0.0, 810.0, 470.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert rectified_matrix(info).tolist() == [800, 0, 620, 0, 810, 470, 0, 0, 1]
    half = for_size(info, HEADER, 480, 640)
    assert rectified_matrix(half).tolist() == [400, 0, 310, 0, 405, 235, 0, 0, 1]
    info.p = [0.0] * 12
    assert rectified_matrix(info).tolist() == list(info.k)
    info.k = [0.0] * 9
    with pytest.raises(ValueError, match="no calibration"):
        rectified_matrix(info)


@pytest.mark.parametrize("binning", [(0, 0), (2, 2)])
def test_a_size_that_the_driver_left_at_0_is_that_of_the_image(binning):
    sent, known = sensor(binning=binning), sensor(binning=binning)
    sent.width = sent.height = 0
    rows, columns = 960 // (binning[1] or 1), 1280 // (binning[0] or 1)
    assert with_size(sent, rows, columns) == known
    assert (sent.height, sent.width) == (0, 0), "others have this message, too"
    for size in ((rows, columns), (rows // 2, columns // 2)):  # of the labels
        assert of_labels(with_size(sent, rows, columns), HEADER, *size) == of_labels(known, HEADER, *size)
    assert with_size(known, 7, 9) is known


def test_a_region_of_a_sensor_of_unknown_size_stays_one():
    sent = sensor((320, 240, 640, 480))
    sent.width = sent.height = 0
    sized, known = with_size(sent, 480, 640), sensor((320, 240, 640, 480))
    check_view(sized, 480, 640)
    assert of_labels(sized, HEADER, 240, 320) == of_labels(known, HEADER, 240, 320)
