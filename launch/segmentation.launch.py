"""The segmentation node: `ros2 launch icnet_ros segmentation.launch.py image:=/camera/image_raw`.

Several cameras are served by `cameras.launch.py`.

If an argument is empty, the value is taken from `params_file`, or else is the default of the node.
"""

from launch.actions import SetEnvironmentVariable, UnsetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node, SetParameter

from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.node.launch_arguments import SHARE, argument_values, launch_description
from launch import LaunchContext, LaunchDescription

# Node parameters that have an argument of the same name; empty means not given.
PARAMETERS = {
    "engine": "auto, torch, onnxruntime, openvino, tensorrt",
    "device": "auto, cpu, cuda or cuda:N",
    "precision": "fp32, fp16, bf16, int8",
    "model": "checkpoint, .safetensors",
    "input_transport": "raw, or compressed for <image>/compressed",
}
ARGUMENTS = {
    "image": ("/camera/image_raw", "image topic; with cameras, {camera} stands for the name of each"),
    "cameras": ("", "names of several cameras, separated by commas; empty: one camera without a name"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "segmentation.yaml"]), "ROS parameter file"),
    "namespace": ("", "namespace of the node"),
    "use_sim_time": ("false", "time from /clock"),
    "autostart": ("", "true or false: configure and activate the node"),
    "build_only": ("", "true: build and cache the files of the engine, then exit"),
    "use_respawn": ("false", "start the node again if it dies"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("false", "open RViz on the overlay"),
    "dds_profile": ("", "Fast DDS profile; empty: the shipped one, unless the environment names one"),
}


def generate_launch_description() -> LaunchDescription:
    """The node, and RViz with rviz:=true."""
    parameters = {name: ("", text) for name, text in PARAMETERS.items()}
    return launch_description({**parameters, **ARGUMENTS}, _nodes)


def _nodes(context: LaunchContext) -> list:
    values = argument_values(context, (*PARAMETERS, *ARGUMENTS))
    given: dict = {name: values[name] for name in PARAMETERS if values[name]}
    given |= {name: values[name].lower() == "true" for name in ("autostart", "build_only") if values[name]}
    cameras = [name.strip() for name in values["cameras"].split(",") if name.strip()]
    given |= {"cameras": cameras} if cameras else {}
    topics = {f"{name}/image": values["image"].replace("{camera}", name) for name in cameras}
    logger = ".".join(part for part in (*values["namespace"].split("/"), "icnet") if part)
    profile = profile_environment(values["dds_profile"], context.environment)
    return [
        *(UnsetEnvironmentVariable(name) for name in (OLD, NEW) if profile),
        *(SetEnvironmentVariable(name, value) for name, value in profile.items()),
        SetParameter("use_sim_time", values["use_sim_time"].lower() == "true"),
        LifecycleNode(
            package="icnet_ros",
            executable="segmentation_node",
            name="icnet",
            namespace=values["namespace"],
            parameters=[values["params_file"], given],
            remappings=list((topics or {"image": values["image"]}).items()),
            arguments=["--ros-args", "--log-level", f"{logger}:={values['log_level']}"],
            respawn=values["use_respawn"].lower() == "true",
            respawn_delay=2.0,
            output="screen",
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=values["namespace"],
            arguments=["-d", PathJoinSubstitution([SHARE, "config", "segmentation.rviz"])],
            condition=IfCondition(values["rviz"]),
        ),
    ]
