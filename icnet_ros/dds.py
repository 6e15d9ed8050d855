"""DDS settings: large images with Fast DDS, discovery."""

import os
from collections.abc import Mapping

from icnet_ros.share import share

# Both variables at once make Fast DDS load the profile twice and reject it.
OLD, NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
LOCALHOST_ONLY_DISTROS = ("foxy", "galactic", "humble")  # before ROS_AUTOMATIC_DISCOVERY_RANGE
OLD_DISTROS = (*LOCALHOST_ONLY_DISTROS, "iron", "jazzy")


def profile_environment(profile: str = "", environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that make Fast DDS use `profile`, or the shipped config/fastdds.xml if that is "".

    Empty if no profile is named here but one is in the environment.
    """
    if not profile and (OLD in environment or NEW in environment):
        return {}
    name = OLD if environment.get("ROS_DISTRO") in OLD_DISTROS else NEW
    return {name: profile or str(share("config", "fastdds.xml"))}


def this_machine_only(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that limit discovery to this machine."""
    if environment.get("ROS_DISTRO") in LOCALHOST_ONLY_DISTROS:
        return {"ROS_LOCALHOST_ONLY": "1"}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
