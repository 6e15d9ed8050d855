"""DDS settings: large images with Fast DDS, discovery, what a version of the middleware lacks."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from icnet_ros.share import share

# Both variables at once make Fast DDS load the profile twice and reject it.
OLD, NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
LOCALHOST_ONLY_DISTROS = ("foxy", "galactic", "humble")  # before ROS_AUTOMATIC_DISCOVERY_RANGE
OLD_DISTROS = (*LOCALHOST_ONLY_DISTROS, "iron", "jazzy")
FAST_DDS = "rmw_fastrtps_cpp"  # the default of every distribution
CYCLONE_DDS = "rmw_cyclonedds_cpp"
BUFFER_AWARE = (9, 4, 6)  # rmw_fastrtps with companion topics for uint8[], ROS 2 Lyrical
SERIALIZED = (9, 5, 0)  # from here on they reach serialised subscriptions (#881); no 9.4 up to 9.4.10 lists it
LATCHED = (9, 4, 9)  # late joiners get latched uint8[] (#898), no wake-up is lost (#900)


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


def middleware_version(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Version of an installed middleware such as rmw_fastrtps_cpp, from its package.xml; "" if it is not found."""
    for prefix in filter(None, environment.get("AMENT_PREFIX_PATH", "").split(":")):
        try:
            text = (Path(prefix) / "share" / name / "package.xml").read_text()
        except OSError:
            continue
        found = re.search(r"<version>\s*([^<\s]+)\s*</version>", text)
        return found[1] if found else ""
    return ""


def loses_serialised(name: str, version: str) -> bool | None:
    """Whether serialised subscriptions get nothing from typed publishers, such as cameras; None: unknown version."""
    if name != FAST_DDS:
        return False
    numbers = _numbers(version)
    return BUFFER_AWARE <= numbers < SERIALIZED if numbers else None


def middleware_limits(name: str, version: str) -> str:
    """What the node cannot do well with this version of a middleware, and what to do; "" if nothing is known."""
    if not loses_serialised(name, version):
        return ""
    limits = ["serialised subscriptions get nothing from cameras: the node takes typed images"]
    if _numbers(version) < LATCHED:
        limits.append("late joiners miss latched images, and wake-ups are lost")
    return f"{'; '.join(limits)}. Newer packages, or RMW_IMPLEMENTATION=rmw_cyclonedds_cpp, do better"


def receive_buffer_hint(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """What to do so that large best-effort images arrive with Cyclone DDS; "" for others, and where it is done."""
    if name != CYCLONE_DDS or "SocketReceiveBufferSize" in environment.get("CYCLONEDDS_URI", ""):
        return ""
    return (
        "best-effort images of a megabyte and more get lost with the default receive buffer: CYCLONEDDS_URI with "
        "SocketReceiveBufferSize, see docs/middleware.md"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
