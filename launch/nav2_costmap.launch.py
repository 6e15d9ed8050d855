"""The node as Nav2's semantic layer needs it.

    ros2 launch icnet_ros nav2_costmap.launch.py image:=/camera/color/image_raw \
        depth:=/camera/aligned_depth_to_color/image_raw

Labels are the groups of config/groups/nav2.yaml, at the size of the depth image, with confidence and an organised point
cloud. The parameters of the layer are in config/nav2_semantic_costmap.yaml. Takes the other arguments of
segmentation.launch.py, too.
"""

from icnet_ros.node.launching.arguments import argument_values, include_segmentation, launch_description
from launch import LaunchDescription

ARGUMENTS = {
    "image": ("/camera/color/image_raw", "image topic"),
    "depth": ("/camera/aligned_depth_to_color/image_raw", "depth image, registered to the colour image"),
    "label_groups": ("nav2", "label groups; each needs a cost in the parameters of the layer"),
    "publish_unlabelled": ("false", "the layer reports an error for every class without a cost"),
}


def generate_launch_description() -> LaunchDescription:
    """segmentation.launch.py with the outputs that the layer synchronises."""
    return launch_description(
        __file__,
        ARGUMENTS,
        lambda context: [
            include_segmentation(
                {**(values := argument_values(context, ARGUMENTS)), "output_like": values["depth"]},
            )
        ],
    )
