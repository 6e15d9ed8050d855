"""`make build`: what a machine lacks is said at once, and the locks of the sets fit together."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETS = ("run", "train", "test")


def pins(path):
    """(name, version, marker) of each entry of a lock."""
    return re.findall(r"(?m)^([a-z0-9-]+)==(\S+?)(?: ; (.*?))? \\$", path.read_text())


@pytest.fixture
def checkout(tmp_path):
    """A checkout without .venv, and a folder of programs for PATH that holds only what every Linux has."""
    for folder in ("scripts", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / "checkout" / folder)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (
        "bash",
        "sh",
        "dirname",
        "cat",
        "cksum",
        "sed",
        "awk",
        "mkdir",
        "rm",
        "touch",
        "grep",
        "du",
        "sleep",
        "kill",
    ):
        (tools / name).symlink_to(shutil.which(name))
    return tmp_path / "checkout", tools


def bootstrap(folder, tools, **variables):
    environment = {"PATH": str(tools), "HOME": str(folder), **variables}
    return subprocess.run(
        ["bash", "scripts/bootstrap.sh"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_all_that_is_missing_is_one_line(checkout):
    folder, tools = checkout
    python = tools / "python3"
    python.write_text(
        "#!/bin/sh\n"  # a Debian python3 without python3-venv and python3-dev
        'case "$*" in *_base_executable*) echo "$0" ;; *"import ensurepip"*) exit 1 ;; *sysconfig*) echo /nowhere ;;\n'
        "*--version*) echo Python 3.11.2 ;; *DISTRO*|*jazzy*) echo jazzy ;; esac\n"
    )
    python.chmod(0o755)
    done = bootstrap(folder, tools, PYTHON=str(python), DISTRO="jazzy")
    assert done.returncode == 1
    assert "sudo apt-get install cmake make g++ python3-venv python3-dev" in done.stderr
    assert not (folder / ".venv").exists()


def test_programs_of_the_systems_python_find_the_packages_beside_a_sourced_ros(tmp_path):
    """`ros2 launch` of apt runs launch files in /usr/bin/python3, which found none of what they import (Lyrical)."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    base = sys._base_executable
    venv = tmp_path / ".venv" / "system-lyrical"
    subprocess.run([base, "-m", "venv", "--without-pip", "--system-site-packages", str(venv)], check=True)
    (packages,) = venv.glob("lib/python3*/site-packages")
    (packages / "only_there.py").touch()
    (tmp_path / "of_ros.py").touch()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHON": base, "ROS_DISTRO": "lyrical"}
    code = "import of_ros, only_there; print(only_there.__file__)"
    # Twice, as in a shell in which it was sourced before.
    script = f"source scripts/env.sh; source scripts/env.sh; {base} -c '{code}'; echo $PYTHONPATH"
    result = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.stdout.splitlines() == [str(packages / "only_there.py"), f"{tmp_path}:{packages}"], result.stderr


@pytest.mark.parametrize("distro", ["jazzy", "kilted"])
def test_the_locks_of_the_sets_fit_together(distro):
    locked = {name: pins(ROOT / "requirements" / f"lock-{distro}-{name}.txt") for name in SETS}
    versions = {}
    for entries in locked.values():
        assert entries
        for name, version, marker in entries:
            assert versions.setdefault((name, marker), version) == version
    named = {key: {name for name, _, _ in entries} for key, entries in locked.items()}
    assert not named["run"] & {"torch", "onnxruntime", "scipy", "matplotlib", "ray", "rerun-sdk", "nncf"}
    for name in SETS:
        inputs = (ROOT / "requirements" / f"{name}.in").read_text()
        wanted = {re.split(r"[<>=;\[ ]", line)[0] for line in inputs.splitlines() if line and line[0] != "#"}
        known = set().union(*(named[one] for one in SETS[: SETS.index(name) + 1]))
        assert wanted <= known


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("lock-*.txt")), ids=lambda path: path.stem)
def test_every_package_of_a_lock_has_a_hash(path):
    entries = re.split(r"(?m)^(?=[a-z])", path.read_text())
    packages = [entry for entry in entries if entry.strip()]
    assert len(packages) == len(pins(path))
    assert all("--hash=sha256:" in entry for entry in packages)


def test_pytest_runs_beside_the_plugins_of_a_ros_from_apt(tmp_path):
    """launch_testing_ros calls its plugin launch_ros, which ends pytest without that of launch_testing (Lyrical)."""
    (tmp_path / "makes_modules.py").write_text("def pytest_launch_collect_makemodule(path, parent, entrypoint): ...\n")
    info = tmp_path / "launch_testing_ros-0.29.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: launch-testing-ros\nVersion: 0.29.9\n")
    (info / "entry_points.txt").write_text("[pytest11]\nlaunch_ros = makes_modules\n")
    collect = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "test/test_files.py"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(collect, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
