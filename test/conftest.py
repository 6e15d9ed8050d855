import dataclasses
import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

ROOT = Path(__file__).parent.parent
RATES = (
    "test_benchmark_node.py",
    "test_deadline.py",
    "test_demo.py",
    "test_faults.py",
    "test_soak.py",
    "test_cameras.py",
)


def pytest_configure(config):
    # What engines make of checkpoints stays out of the user's cache; processes of tests inherit this.
    os.environ["ICNET_CACHE"] = tempfile.mkdtemp(prefix="icnet-cache-")
    # Lanes share the cores: threads that spin while they wait for each other would take them from the others.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # trainings of tests take 0.6 of the CPU time so
    # A shell starts background jobs with SIGINT ignored, and Python leaves it so: tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure():
    shutil.rmtree(os.environ["ICNET_CACHE"], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            # File by file, but what measures rates one after the other, in one lane.
            # Tests must not depend on it.
            lane = "rates" if item.path.name in RATES else str(item.path)
            item.add_marker(pytest.mark.xdist_group(lane))
    ros = importlib.util.find_spec("rclpy") is not None
    gpu = _has_gpu()
    for item in items:
        if "ros" in item.keywords and not ros:
            item.add_marker(pytest.mark.skip(reason="no ROS 2 in this environment (rclpy)"))
        if "gpu" in item.keywords and not gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA GPU"))


def _has_gpu():
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def signal_handlers():
    """Commands that run in this process set handlers, which would end it in a later test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def shared():
    """The folder with CamVid and a bag of it, which is no part of the project."""
    path = Path(os.environ.get("ICNET_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip(f"no shared data at {path} (ICNET_SHARED)")
    return path


@pytest.fixture(scope="session")
def tiny():
    """A random quarter-width network with three classes: the fastest thing that is a checkpoint.

    Its classifiers are set so that each class is somewhere on a picture; left random, one is everywhere.
    """
    import torch

    from icnet_ros.checkpoint.classes import ClassTable
    from icnet_ros.checkpoint.file import untrained

    table = ClassTable("tiny", ("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
    checkpoint = untrained(table, width=0.25)
    weights = dict(checkpoint.weights)
    coarse = torch.randn(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(80 * coarse, (97, 130), mode="bicubic")
    with torch.inference_mode():
        answers = checkpoint.network()(picture)
    for name, logits in zip(("aux16", "aux8", "cls"), answers, strict=True):
        std, mean = torch.std_mean(logits, (0, 2, 3))
        weights[f"{name}.weight"] = weights[f"{name}.weight"] / std[:, None, None, None]
        weights[f"{name}.bias"] = -mean / std
    return dataclasses.replace(checkpoint, weights=weights)


@pytest.fixture(scope="session")
def model(tmp_path_factory, tiny):
    """`tiny` as a file."""
    from icnet_ros.checkpoint.file import save

    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, tiny.spec, tiny.weights)
    return path


@pytest.fixture(scope="session")
def engine(tiny):
    """`tiny` on engine torch, on the CPU."""
    from icnet_ros.engine.base import EngineOptions
    from icnet_ros.engine.table import open_engine

    return open_engine("torch", tiny, EngineOptions("cpu"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Call `icnet` with these words in this process: exit code, output and errors, each on one line."""
    from icnet_ros.command.main import main

    def run(*words):
        monkeypatch.setattr("sys.argv", ["icnet", *map(str, words)])
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), " ".join(err.split())

    return run
