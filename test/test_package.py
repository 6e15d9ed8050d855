"""What gets installed, and that the ways to install it agree."""

import fcntl
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.share import share
from icnet_ros.version import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    (ROOT / "build").mkdir(exist_ok=True)
    lock = (ROOT / "build" / "wheel.lock").open("w")  # setuptools builds in the checkout: two at once fail
    fcntl.flock(lock, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run([*command, str(ROOT)], check=False, capture_output=True, text=True)
    lock.close()
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_installed_wheel_segments_a_picture(wheel, tmp_path):
    """In a fresh environment that sees only the dependencies of this one: no checkout, no ROS."""
    environment, out = tmp_path / "venv", tmp_path / "out"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    clean = {key: value for key, value in os.environ.items() if key in ("HOME", "PATH", "ICNET_CACHE")}

    def run(*words):
        done = subprocess.run(words, env=clean, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    python, icnet = environment / "bin" / "python", environment / "bin" / "icnet"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    folders = [
        sysconfig.get_path("purelib"),
        *(path for path in sys.path if path.endswith("-packages")),
    ]  # a venv on apt's
    (site / "dependencies.pth").write_text("\n".join(path for path in folders if not Path(path, "icnet_ros").exists()))
    found = run(python, "-c", "from icnet_ros.checkpoint.default import model_path; print(model_path(''))")
    assert found.startswith(str(environment / "share"))
    assert "icnet_camvid" in run(icnet, "model", "list")
    run(icnet, "segment", ROOT / "demo" / "leuvenA.jpg", "-o", out, "--engine", "torch")
    assert list(out.glob("**/*.png"))


def test_the_wheel_holds_what_the_code_looks_for(wheel):
    names = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    for file in (
        "config/segmentation.yaml",
        "config/foxglove.json",
        "config/classes/camvid.yaml",
        "demo/leuvenA.jpg",
        "demo/leuvenA_labels.png",
        "msg/FrameLatency.msg",
    ):
        assert f"data/share/icnet_ros/{file}" in names
    code = {str(path.relative_to(ROOT / "icnet_ros")) for path in (ROOT / "icnet_ros").glob("**/*.py")}
    pages = {str(path.relative_to(ROOT / "icnet_ros")) for path in (ROOT / "icnet_ros").glob("**/*.jinja")}
    assert pages
    assert code | pages <= names
    for model in ("icnet_street", "icnet_street_fast"):
        assert f"data/share/icnet_ros/models/{model}.safetensors" in names
    assert not [name for name in names if "icnet_camvid" in name]  # `icnet model pull`


def test_versions_agree():
    for file, pattern in (("package.xml", r"<version>(.*)</version>"), ("pyproject.toml", r"(?m)^version = \"(.*)\"$")):
        assert re.search(pattern, (ROOT / file).read_text()).group(1) == __version__


def test_shipped_files_are_found():
    assert share("config", "classes", "camvid.yaml").is_file()


@pytest.mark.parametrize(("distro", "name"), [("kilted", NEW), ("jazzy", OLD), ("humble", OLD), ("rolling", NEW)])
def test_the_dds_profile_is_set_once_and_the_users_choice_stands(distro, name):
    assert profile_environment("/p.xml", {"ROS_DISTRO": distro}) == {name: "/p.xml"}
    assert profile_environment("", {"ROS_DISTRO": distro})[name].endswith("config/fastdds.xml")
    for chosen in (NEW, OLD):
        assert profile_environment("", {"ROS_DISTRO": distro, chosen: "/mine.xml"}) == {}
