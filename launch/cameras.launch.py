"""One node for several cameras: `ros2 launch icnet_ros cameras.launch.py cameras:=front,left,right`.

Images come from /front/image_raw and so on unless `image` says otherwise; labels are on
/icnet/front/labels and so on. Takes the other arguments of segmentation.launch.py, too.
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """segmentation.launch.py with other defaults."""
    segmentation = PathJoinSubstitution([FindPackageShare("icnet_ros"), "launch", "segmentation.launch.py"])
    names = ("cameras", "image")
    return LaunchDescription(
        [
            DeclareLaunchArgument("cameras", description="names of the cameras, with commas between"),
            DeclareLaunchArgument(
                "image", default_value="/{camera}/image_raw", description="their topics, {camera} being the name"
            ),
            IncludeLaunchDescription(
                segmentation, launch_arguments=[(name, LaunchConfiguration(name)) for name in names]
            ),
        ]
    )
