"""The segmentation node: `ros2 launch icnet_ros segmentation.launch.py image:=/camera/image_raw`.

Several cameras are served by `cameras.launch.py`.

Every node parameter is an argument. If it is empty, the value of `params_file` is used, or else the default of the
node.
"""

from collections.abc import Sequence
from typing import Any, cast

from ament_index_python.packages import get_packages_with_prefixes
from launch.actions import SetEnvironmentVariable, UnsetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node, SetParameter

from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.node.launching.arguments import (
    IMAGE,
    SEGMENTATION,
    SHARE,
    argument_values,
    cameras_in,
    check_params_file,
    check_topics,
    full_namespace,
    given_parameters,
    launch_description,
    remappings,
    typed,
)
from icnet_ros.node.launching.respawn import respawning
from icnet_ros.node.parameter import ParameterError
from launch import LaunchContext, LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The node, and RViz with rviz:=true."""
    return launch_description(__file__, SEGMENTATION, _nodes)


def _nodes(context: LaunchContext) -> list[Any]:
    values = argument_values(context, list(SEGMENTATION))
    given = given_parameters(values)
    check_params_file(values["params_file"])
    cameras = cast("Sequence[str]", given.get("cameras", ()))
    if not cameras and values["image"] != IMAGE:  # else the topics of the cameras of a parameter file stay as they are
        cameras = cameras_in(values["params_file"])
    check_topics(values, cameras)
    rviz = values["rviz"].lower() == "true"
    if rviz and "rviz2" not in get_packages_with_prefixes():
        raise ParameterError("rviz:=true needs rviz2, which is not installed")  # launch would leave the node behind
    logger = f"{full_namespace(context, values['namespace'])}/icnet".strip("/").replace("/", ".")
    profile = profile_environment(values["dds_profile"], context.environment)

    def segmentation() -> LifecycleNode:
        return LifecycleNode(
            package="icnet_ros",
            executable="segmentation_node",
            name="icnet",
            namespace=values["namespace"],
            parameters=[values["params_file"], typed(given)],
            remappings=remappings(values, cameras or ("",)),
            arguments=["--ros-args", "--log-level", f"{logger}:={values['log_level']}"],
            output="screen",
        )

    return [
        *(UnsetEnvironmentVariable(name) for name in (OLD, NEW) if profile),
        *(SetEnvironmentVariable(name, value) for name, value in profile.items()),
        SetParameter("use_sim_time", values["use_sim_time"].lower() == "true"),
        *(respawning(segmentation) if values["use_respawn"].lower() == "true" else [segmentation()]),
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=values["namespace"],
            arguments=["-d", PathJoinSubstitution([SHARE, "config", "segmentation.rviz"])],
            condition=IfCondition(str(rviz)),
        ),
    ]
