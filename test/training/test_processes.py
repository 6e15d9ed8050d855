"""`icnet train` as people start it: killed and started again, and in two processes."""

import csv
import os
import signal
import subprocess
import sys
import time

import cv2
import pytest
import torch
import yaml
from forked import run
from street import draw_camvid

from icnet_ros.replay.folder_lock import locked
from icnet_ros.training.state import load_state

RECIPE = {
    "dataset": "camvid", "width": 0.25, "iterations": 8, "batch": 8, "crop": [64, 96], "scale": [0.8, 1.3],
    "learning_rate": 0.02, "warm_up": 2, "ema": 0.9, "class_balance": "log", "validate_every": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("camvid")
    draw_camvid(root)
    (root / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return root


def command(root, out, *words):
    """Arguments of `icnet train` on the drawn CamVid."""
    options = {"--root": root, "--out": out, "--recipe": root / "recipe.yaml", "--accelerator": "cpu"}
    return ["-m", "icnet_ros.command.main", "train", *(str(w) for pair in options.items() for w in pair), *words]


def environment():
    # One thread each: two processes on two cores, and sums in the same order in every run.
    return os.environ | {"OMP_NUM_THREADS": "1"}


def start(*words):
    return subprocess.Popen(
        [sys.executable, *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process):
    output = process.communicate(timeout=150)[0]
    assert process.returncode == 0, output
    return output


def rows(out):
    with (out / "log.csv").open(newline="") as file:
        return [(int(row["step"]), float(row["loss"]), float(row["miou"])) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def uninterrupted(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    finish(start(*command(root, out)))
    return out


def test_killed_and_started_again_ends_in_the_same_weights(root, uninterrupted, tmp_path):
    process = start(*command(root, tmp_path))
    deadline = time.monotonic() + 120
    while not (tmp_path / "state.safetensors").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no validation within two minutes"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert load_state(tmp_path / "state.safetensors").step < RECIPE["iterations"]
    assert "resuming at step" in finish(start(*command(root, tmp_path)))
    whole, again = (load_state(folder / "state.safetensors") for folder in (uninterrupted, tmp_path))
    for group in ("network", "ema", "momentum"):
        one, two = getattr(whole, group), getattr(again, group)
        assert all(torch.equal(one[key], two[key]) for key in one), group
    assert rows(tmp_path) == rows(uninterrupted)
    assert cv2.imread(str(tmp_path / "curve.png")) is not None


def test_two_processes_follow_the_curve_of_one(root, uninterrupted, tmp_path):
    """torchrun, gloo. Batch norm sees half a batch in each process, so not bit for bit."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    finish(start(*words, *command(root, tmp_path, "--devices", "2")))
    one, two = rows(uninterrupted), rows(tmp_path)
    assert [row[0] for row in one] == [row[0] for row in two]
    for (_, loss, _), (_, other, _) in zip(one, two, strict=True):
        assert other == pytest.approx(loss, rel=0.1)


def test_stopped_before_the_first_validation(root, tmp_path):
    _, module, *words = command(root, tmp_path, "--stop-after", "1")
    code, *streams = run(module, *words, environment=environment())
    output = " ".join(" ".join(streams).split())
    assert code == 0, output
    assert "stopped at step 1; resumes at step 0" in output
    assert "the first validation writes best.safetensors" in output
    assert not (tmp_path / "best.safetensors").exists()


def test_a_folder_has_one_training_at_a_time(root, tmp_path):
    _, module, *words = command(root, tmp_path)
    with locked(tmp_path):
        code, _, errors = run(module, *words, environment=environment())
    assert code == 1
    assert f"process {os.getpid()} writes its results there" in " ".join(errors.split())
    assert list(tmp_path.iterdir()) == []
