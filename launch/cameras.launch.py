"""One node for several cameras: `ros2 launch icnet_ros cameras.launch.py cameras:=front,left,right`.

Images come from /front/image_raw and so on unless `image` says otherwise; labels are on
/icnet/front/labels and so on. Takes the other arguments of segmentation.launch.py, too.
"""

from icnet_ros.node.launching.arguments import argument_values, include_segmentation, launch_description
from launch import LaunchDescription

ARGUMENTS = {
    "cameras": (None, "names of the cameras, separated by commas"),
    "image": ("/{camera}/image_raw", "image topics; {camera} stands for the name"),
}


def generate_launch_description() -> LaunchDescription:
    """segmentation.launch.py with the topics of several cameras."""
    return launch_description(
        __file__, ARGUMENTS, lambda context: [include_segmentation(argument_values(context, ARGUMENTS))]
    )
