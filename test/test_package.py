"""What gets installed, and that the ways to install it agree."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import icnet_ros
from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.share import share

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_what_the_code_looks_for(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    for file in (
        "config/segmentation.yaml",
        "config/foxglove.json",
        "config/classes/camvid.yaml",
        "demo/leuvenA.jpg",
        "msg/FrameLatency.msg",
    ):
        assert f"data/share/icnet_ros/{file}" in names
    code = {str(path.relative_to(ROOT / "icnet_ros")) for path in (ROOT / "icnet_ros").glob("**/*.py")}
    pages = {str(path.relative_to(ROOT / "icnet_ros")) for path in (ROOT / "icnet_ros").glob("**/*.jinja")}
    assert pages
    assert code | pages <= names


def test_versions_agree():
    for file, pattern in (("package.xml", r"<version>(.*)</version>"), ("setup.py", r'version="(.*)"')):
        assert re.search(pattern, (ROOT / file).read_text()).group(1) == icnet_ros.__version__


def test_shipped_files_are_found():
    assert share("config", "classes", "camvid.yaml").is_file()


@pytest.mark.parametrize(("distro", "name"), [("kilted", NEW), ("jazzy", OLD), ("humble", OLD), ("rolling", NEW)])
def test_the_dds_profile_is_set_once_and_the_users_choice_stands(distro, name):
    assert profile_environment("/p.xml", {"ROS_DISTRO": distro}) == {name: "/p.xml"}
    assert profile_environment("", {"ROS_DISTRO": distro})[name].endswith("config/fastdds.xml")
    for chosen in (NEW, OLD):
        assert profile_environment("", {"ROS_DISTRO": distro, chosen: "/mine.xml"}) == {}
