"""The node as Nav2's ObstacleLayer and collision_monitor need it: a scan from one camera.

    ros2 launch icnet_ros nav2_scan.launch.py image:=/camera/image_raw

The transform from the camera to base_link comes from tf2, or from camera_height:=1.2 camera_pitch:=10. The parameters
of Nav2 are in config/nav2_scan.yaml. Takes the other arguments of segmentation.launch.py, too.
"""

from icnet_ros.node.launching.arguments import argument_values, include_segmentation, launch_description
from launch import LaunchDescription

ARGUMENTS = {
    "label_groups": ("nav2", "label groups with costs"),
    "scan_range_max": ("8.0", "as in config/nav2_scan.yaml"),
}


def generate_launch_description() -> LaunchDescription:
    """segmentation.launch.py with the groups and the range that config/nav2_scan.yaml is written for."""
    return launch_description(
        __file__, ARGUMENTS, lambda context: [include_segmentation(argument_values(context, ARGUMENTS))]
    )
