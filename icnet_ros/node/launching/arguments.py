"""Arguments of the launch files."""

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.node.parameter import ParameterError, allowed, ros_value
from icnet_ros.node.parameters import by_name, parse
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = FindPackageShare("icnet_ros")
IMAGE = "/camera/image_raw"
# name -> (default, description); default None: it must be given.
Arguments = Mapping[str, tuple[object, str]]


def _node_parameters() -> Arguments:
    """Each parameter of the node as an argument; an empty one is not passed on."""

    def text(name: str) -> str:
        entry = by_name()[name]
        values = f" ({values})" if (values := allowed(entry)) else ""
        default = ", ".join(entry.default) if isinstance(entry.default, tuple) else str(entry.default)
        return f"{entry.metadata['description']}{values} Default of the node: {default or 'empty'}"

    return {name: ("", text(name)) for name in by_name()}


# Arguments of segmentation.launch.py, which the other launch files take, too.
SEGMENTATION: Arguments = {
    "image": (IMAGE, "image topic; with several cameras, {camera} stands for the name of each"),
    "camera_info": ("", "CameraInfo of the image; {camera} as in image; empty: camera_info beside the image topic"),
    "depth": ("", "depth image for ~/points, registered to the image; {camera} as in image"),
    "depth_camera_info": (
        "",
        "CameraInfo of the depth image; {camera} as in image; empty: camera_info beside the depth topic",
    ),
    "cloud": ("", "LiDAR cloud for ~/cloud; {camera} as in image"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "segmentation.yaml"]), "ROS parameter file"),
    "namespace": ("", "namespace of the node"),
    "use_sim_time": ("false", "time from /clock"),
    "use_respawn": ("false", "start the node again if it dies, but not after a setting that cannot be used"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("false", "open RViz on the overlay"),
    "dds_profile": ("", "Fast DDS profile; empty: the shipped one, unless the environment names one"),
    **_node_parameters(),
}


def full_namespace(context: LaunchContext, namespace: str) -> str:
    """Of a node in `namespace`, without slashes around it: launch files that include this one may push another."""
    pushed = "" if namespace.startswith("/") else context.launch_configurations.get("ros_namespace", "")
    return "/".join(part for part in (*pushed.split("/"), *namespace.split("/")) if part)


def launch_description(
    file: str, arguments: Arguments, act: Callable[[LaunchContext], Sequence[LaunchDescriptionEntity]]
) -> LaunchDescription:
    """Launch description of `file`: declares the arguments, then runs the actions that `act` returns.

    `ros2 launch icnet_ros FILE name:=value` fails if neither FILE nor segmentation.launch.py has such an argument.
    """
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]

    def run(context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
        refuse_unknown(sys.argv, Path(file).name, {**arguments, **SEGMENTATION})
        return act(context)

    return LaunchDescription([*declared, OpaqueFunction(function=run)])


def refuse_unknown(command_line: Sequence[str], file: str, known: Mapping[str, object]) -> None:
    """Raise ParameterError if `ros2 launch icnet_ros file` has an argument that is not known; launch itself ignores it.

    If another launch file includes `file`, the arguments on the command line are for that one and are not checked.
    """
    if not {"icnet_ros", file} <= set(command_line):
        return
    for word in command_line:
        name, separator, _ = word.partition(":=")
        if separator and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "--show-args lists the arguments"
            raise ParameterError(f"there is no launch argument {name}; {hint}")


def argument_values(context: LaunchContext, arguments: Iterable[str]) -> dict[str, str]:
    """Values of these arguments."""
    return {name: LaunchConfiguration(name).perform(context) for name in arguments}


def given_parameters(values: Mapping[str, str]) -> dict[str, object]:
    """Node parameters from the arguments that are not empty. Raises ParameterError."""
    return {name: ros_value(parse(name, values[name])) for name in by_name() if values[name]}


def typed(parameters: Mapping[str, object]) -> dict[str, object]:
    """Parameters of a launch_ros node whose strings stay strings; it reads "2026-11-30" as YAML otherwise."""
    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def check_params_file(params_file: str) -> None:
    """Raise ParameterError if there is no such file: launch only warns, and the node would run on its defaults."""
    if not Path(params_file).is_file():
        raise ParameterError(f"params_file: there is no file {params_file}")


def cameras_in(params_file: str) -> tuple[str, ...]:
    """The `cameras` that a ROS parameter file gives to a node icnet or to every node; empty if it gives none.

    Also for a file that cannot be opened: launch and the node say so. Raises ParameterError for invalid YAML.
    """

    def find(tree: object) -> Iterator[str]:
        for name, value in tree.items() if isinstance(tree, dict) else ():
            parameters = value.get("ros__parameters") if isinstance(value, dict) else None
            if isinstance(parameters, dict) and str(name).rpartition("/")[2] in ("icnet", "*", "**"):
                yield from parameters.get("cameras") or ()
            yield from find(value)

    try:
        return tuple(find(read_yaml(params_file)))
    except OSError:
        return ()
    except DocumentError as err:
        raise ParameterError(str(err)) from err


def check_topics(values: Mapping[str, str], cameras: Sequence[str]) -> None:
    """Raise ParameterError for a topic that several cameras would share."""
    for name in ("image", "camera_info", "depth", "depth_camera_info"):
        if len(cameras) > 1 and values[name] and "{camera}" not in values[name]:
            raise ParameterError(
                f"with several cameras, {name} must contain {{camera}}, e.g. {name}:=/{{camera}}/{name}"
            )


def remappings(values: Mapping[str, str], cameras: Sequence[str]) -> list[tuple[str, str]]:
    """Topics of the node -> topics of the arguments; cameras: names, ("",) for a single camera without one."""
    info = values["depth_camera_info"]
    topics = {
        "image": values["image"],
        "camera_info": values["camera_info"],
        "cloud": values["cloud"],
        "depth/image": values["depth"],
        "depth/camera_info": info or (values["depth"] and f"{values['depth'].rpartition('/')[0]}/camera_info"),
    }
    return [
        (f"{camera}/{name}".lstrip("/"), topic.replace("{camera}", camera))
        for camera in cameras
        for name, topic in topics.items()
        if topic
    ]


def include_segmentation(given: Mapping[str, object]) -> IncludeLaunchDescription:
    """segmentation.launch.py with these arguments."""
    return IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, "launch", "segmentation.launch.py"]), launch_arguments=list(given.items())
    )
