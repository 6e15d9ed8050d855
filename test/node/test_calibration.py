"""A CameraInfo that no camera has is refused, and the field named."""

import math

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from sensor_msgs.msg import CameraInfo

from icnet_ros.node.outputs.camera_info import check_view, rectified_matrix
from icnet_ros.wire.calibration import check_calibration


def info(**changes):
    """A calibrated camera with some entries changed: k0=5.0 is K[0]."""
    made = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[0.1, -0.05, 0.0, 0.0, 0.0])
    made.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    made.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    made.p = [480.0, 0.0, 310.0, -60.0, 0.0, 490.0, 245.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        getattr(made, name[0])[int(name[1:])] = value
    return made


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"k0": math.nan}, r"K\[0\] is nan, not a finite number"),
        ({"p6": math.inf}, r"P\[6\] is inf"),
        ({"d1": math.nan}, r"D\[1\] is nan"),
        ({"r4": math.nan}, r"R\[4\] is nan"),
        ({"k0": -500.0}, r"K\[0\] is -500, a focal length must be positive"),
        ({"k4": 0.0}, r"K\[4\] is 0, a focal length"),
        ({"p5": -1.0}, r"P\[5\] is -1, a focal length"),
        ({"k8": 0.0}, "K is no camera matrix"),
        ({"p10": 2.0}, "P is no camera matrix"),
        ({"p11": 1.0}, r"P\[11\] is 1"),
        ({"r0": 0.5}, "R is no rotation"),
        ({"r8": -1.0}, "R is no rotation"),  # a mirror
        ({"p0": 4.8}, r"K\[0\] is 500 and P\[0\] 4\.8: K and P are of different cameras"),
        ({"p5": 49000.0}, r"K\[4\] is 510 and P\[5\] 49000"),
    ],
)
def test_the_field_is_named(changes, problem):
    for check in (check_calibration, rectified_matrix, lambda one: check_view(one, 480, 640)):
        with pytest.raises(ValueError, match=f"the CameraInfo is invalid: {problem}"):
            check(info(**changes))


def test_a_region_outside_the_sensor():
    made = info()
    made.roi.x_offset, made.roi.width = 600, 100
    with pytest.raises(ValueError, match="roi ends at 700, width is 640"):
        check_calibration(made)


def test_what_drivers_publish_is_accepted():
    check_calibration(info())
    check_calibration(CameraInfo())  # not calibrated
    check_calibration(CameraInfo(width=640, height=480))
    for field in "rp":
        made = info()
        setattr(made, field, [0.0] * len(getattr(made, field)))
        check_calibration(made)  # left at 0, as simulators do
    made = info()
    made.k = [0.0] * 9  # of a camera whose driver rectifies
    check_calibration(made)
    angle = 0.02
    made = info()
    made.r = [math.cos(angle), -math.sin(angle), 0.0, math.sin(angle), math.cos(angle), 0.0, 0.0, 0.0, 1.0]
    made.r = [round(value, 4) for value in made.r]
    check_calibration(made)
