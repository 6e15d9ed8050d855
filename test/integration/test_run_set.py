"""What the set `run` is for works in an environment that holds nothing else: no torch, no onnx, no training."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PHOTO = ROOT / "demo" / "leuvenA.jpg"
# In a bash with the variables of scripts/flavour.sh: the environment of `make demo` without its colcon build.
INSTALL = """
source scripts/flavour.sh && source scripts/install.sh
"$BASE_PYTHON" -m venv --without-pip "$VENV" && install_set run
"""
IMPORT_ALL = """
import importlib, pkgutil, icnet_ros
for package in "node wire replay report live metrics render dataset checkpoint command engine evaluation".split():
    folder = importlib.import_module(f"icnet_ros.{package}")
    for module in pkgutil.walk_packages(folder.__path__, folder.__name__ + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as err:
            print(module.name.removeprefix("icnet_ros."), err.name.partition(".")[0])
"""
# Module and what it needs of the set `train`: each is imported only when it is chosen.
NEEDS_MORE = {
    "engine.artefacts.plan torch",
    "engine.backends.cuda torch",
    "engine.backends.onnxruntime onnxruntime",
    "engine.backends.tensorrt torch",
    "engine.backends.torch torch",
    "engine.kernels.fused torch",
    "engine.kernels.ondevice torch",
    "evaluation.network_labels torch",
    "node.launching.arguments launch",
    "node.launching.respawn launch",
}


@pytest.fixture(scope="module")
def run_only(tmp_path_factory):
    """A function that runs words in such an environment and returns what they printed."""
    if os.environ.get("ROS_DISTRO") and not os.environ.get("ICNET_PYPI_ROS"):
        pytest.skip("ROS 2 is not from PyPI here: its packages are there whatever is installed")
    folder = tmp_path_factory.mktemp("run")
    kept = ("HOME", "PATH", "ICNET_BEFORE", "DISTRO", "PYTHON", "SSL_CERT_FILE", "ROS_DOMAIN_ID")
    environment = {key: value for key, value in os.environ.items() if key in kept or key.startswith(("PIP_", "UV_"))}
    environment |= {"ICNET_VENV": str(folder / "venv"), "ICNET_CACHE": str(folder / "cache")}

    def bash(script, *words, code=0):
        done = subprocess.run(
            ["bash", "-c", script, "bash", *map(str, words)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    bash(INSTALL)
    yield lambda *words, code=0: bash('source scripts/env.sh && exec "$@"', *words, code=code)
    shutil.rmtree(folder / "venv")


@pytest.mark.ros
def test_the_demo_labels_a_drive(run_only, tmp_path):
    """make demo, without its build: player, node, recorder and report."""
    run_only("icnet", "demo", "--out", tmp_path)
    frames = json.loads((tmp_path / "summary.json").read_text())["frames"]
    assert frames["published"] == frames["labelled"] + frames["dropped"] == 60
    assert frames["labelled"] > 0
    assert {"overlay.webm", "contact_sheet.png", "report.html"} <= {path.name for path in tmp_path.iterdir()}
    run_only("icnet", "replay", tmp_path / "drive", "-o", tmp_path / "replay", "--limit", "4", "--no-video")


@pytest.mark.ros
def test_pictures_are_labelled(run_only, tmp_path):
    assert "road" in run_only("icnet", "segment", PHOTO, "-o", tmp_path)
    assert list(tmp_path.glob("**/*.png"))


@pytest.mark.ros
def test_what_needs_more_says_what_to_install(run_only, tmp_path):
    for words, package in (
        (("segment", PHOTO, "-o", tmp_path, "--engine", "torch"), "torch"),
        (("segment", PHOTO, "-o", tmp_path, "--engine", "onnxruntime"), "onnxruntime"),
        (("train", "--data", "camvid", "--root", tmp_path, "--recipe", "street", "-o", tmp_path), "torch"),
        (("benchmark", "stages"), "torch"),
    ):
        output = run_only("icnet", *words, code=1)
        assert f"needs the package {package}" in output, output
        assert "pip install" in output
        assert "Traceback" not in output
    assert "without torch" in run_only("icnet", "doctor", code=0)


@pytest.mark.ros
def test_every_other_module_can_be_imported(run_only):
    assert set(run_only("python", "-c", IMPORT_ALL).splitlines()) == NEEDS_MORE
