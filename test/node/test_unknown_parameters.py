"""Which unknown parameters end the node, and which are those of other nodes in the same file."""

import types

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.node.evaluator import PARAMETERS
from icnet_ros.node.parameter import ParameterError
from icnet_ros.node.parameters import by_name
from icnet_ros.node.ros.unknown_parameters import check_overrides, edits

# What public nodes call their parameters.
PUBLIC = {
    "usb_cam": "video_device framerate io_method frame_id pixel_format av_device_format image_width image_height "
    "camera_name camera_info_url brightness contrast saturation sharpness gain auto_white_balance white_balance "
    "auto_exposure exposure_time_absolute autofocus focus",
    "v4l2_camera": "output_encoding image_size camera_frame_id time_per_frame use_v4l2_buffer_timestamps",
    "camera_ros": "camera role width height format orientation sensor_mode jpeg_quality",
    "realsense2_camera": "camera_name serial_no device_type enable_color align_depth.enable depth_module.profile "
    "rgb_camera.profile publish_tf tf_publish_rate pointcloud.enable clip_distance base_frame_id",
    "depthai_ros": "camera.i_pipeline_type camera.i_nn_type camera.fps rgb.i_fps rgb.i_resolution rgb.i_publish_topic",
    "image_proc": "queue_size image_transport depth_image_transport invalid_depth interpolation scale_width "
    "scale_height",
    "Nav2, slam_toolbox": "base_frame odom_frame map_frame global_frame robot_base_frame transform_tolerance "
    "update_frequency publish_frequency resolution robot_radius max_range min_range max_laser_range scan_topic mode "
    "autostart_node bond_heartbeat_period node_names bond_timeout",
    "detectors": "threshold iou imgsz_height imgsz_width half max_det enable model_type confidence conf_thres "
    "model_path weights input_topic output_topic use_gpu batch_size rate fps frame_rate publish_rate max_frequency "
    "device_id devices camera_id camera_index models task tasks thread timeout log_level debug",
    "pointcloud_to_laserscan": "target_frame min_height max_height angle_min angle_max angle_increment scan_time "
    "range_min range_max use_inf inf_epsilon",
    "foxglove_bridge, rosbridge": "port address tls use_compression topic_whitelist send_buffer_limit num_threads",
    "diagnostic_updater": "diagnostic_updater.period diagnostic_updater.use_fqn",
}


class Node:
    def __init__(self, *names):
        self._parameter_overrides = dict.fromkeys(names)
        self.warnings, self.told = [], []

    def get_logger(self):
        return types.SimpleNamespace(warning=self.warnings.append, info=self.told.append)


@pytest.mark.parametrize("known", [list(by_name()), list(PARAMETERS)], ids=["segmentation_node", "evaluation_node"])
@pytest.mark.parametrize("names", PUBLIC.values(), ids=PUBLIC)
def test_what_public_nodes_have_does_not_end_this_one(names, known):
    node = Node(*names.split(), "use_sim_time", "qos_overrides./tf.subscription.depth")
    check_overrides(node, known)
    for name in set(names.split()) - set(known):
        assert f"{name!r}: it is ignored. Did you mean" in " ".join(node.warnings) or name in node.told[-1]
    assert len(node.told) <= 1


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("enigne", "engine"), ("overlay_alfa", "overlay_alpha"), ("input_timeout", "input_timeout_s"),
        ("score_clases", "score_classes"), ("auto_start", "autostart"), ("max_pixles", "max_pixels"),
        ("precison", "precision"), ("lable_groups", "label_groups"),
    ],
)  # fmt: skip
def test_a_typing_error_ends_the_node(name, known):
    with pytest.raises(ParameterError, match=f"no parameter '{name}'; did you mean '{known}'"):
        check_overrides(Node(name), list(by_name()))


def test_a_name_that_may_be_another_nodes_is_doubted():
    node = Node("cameras_", "camera", "max_range", "robot_radius", "camera.max_rates")
    with pytest.raises(ParameterError, match="'cameras'"):
        check_overrides(node, list(by_name()))
    del node._parameter_overrides["cameras_"]
    check_overrides(node, list(by_name()))
    assert [text.rpartition("mean ")[2] for text in node.warnings] == ["'cameras'?", "'max_rate'?"]
    assert [text.rpartition(": ")[2] for text in node.told] == ["robot_radius, camera.max_rates"]


@pytest.mark.parametrize(
    ("one", "other", "count"), [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("abc", "axc", 1), ("abcd", "bcda", 2)]
)
def test_edits(one, other, count):
    assert edits(one, other) == edits(other, one) == count
