"""Names of topics that are played from recordings of programs that are no ROS."""

import pytest

from icnet_ros.wire.topic import ros_name

validate = pytest.importorskip("rclpy.validate_full_topic_name").validate_full_topic_name


@pytest.mark.parametrize(
    ("recorded", "played"),
    [
        ("/camera/image_raw", "/camera/image_raw"),
        ("camera", "/camera"),
        ("front camera/image-raw", "/front_camera/image_raw"),
        ("/cam/0/{rgb}~", "/cam/_0/_rgb__"),
        ("/ü//", "/_"),
        ("/", "/_"),
    ],
)
def test_every_recorded_topic_has_a_name_in_ros(recorded, played):
    assert ros_name(recorded) == played
    assert validate(played)
