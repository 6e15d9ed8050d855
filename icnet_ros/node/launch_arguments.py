"""Helpers of the launch files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

SHARE = FindPackageShare("icnet_ros")
# name -> (default, description); default None: it must be given.
Arguments = Mapping[str, tuple[Any, str]]


def launch_description(arguments: Arguments, act: Callable[[LaunchContext], Sequence[Any]]) -> LaunchDescription:
    """Launch description that declares the arguments, then runs the actions that `act` returns."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=act)])


def argument_values(context: LaunchContext, arguments: Sequence[str]) -> dict[str, str]:
    """Values of these arguments."""
    return {name: LaunchConfiguration(name).perform(context) for name in arguments}


def include_segmentation(given: Mapping[str, Any]) -> IncludeLaunchDescription:
    """segmentation.launch.py with these arguments."""
    return IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, "launch", "segmentation.launch.py"]), launch_arguments=list(given.items())
    )
