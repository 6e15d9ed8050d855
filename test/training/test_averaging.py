"""Averages of checkpoints."""

import sys
from dataclasses import replace

import pytest
import torch

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import load, save, untrained
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.main import main
from icnet_ros.training.averaging import average

CLASSES = load_classes("camvid")


@pytest.fixture
def parts(tmp_path):
    paths = []
    for seed in range(2):
        checkpoint = untrained(CLASSES, 0.25, seed)
        paths.append(tmp_path / f"{seed}.safetensors")
        save(paths[-1], checkpoint.spec, checkpoint.weights)
    return paths


def test_the_command_writes_the_weighted_mean(parts, tmp_path, monkeypatch):
    out = tmp_path / "mean.safetensors"
    monkeypatch.setattr(sys, "argv", ["icnet", "average", f"{parts[0]}:3", f"{parts[1]}:1", "-o", str(out)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    first, second, mean = (load(path) for path in (*parts, out))
    for key, value in mean.weights.items():
        expected = value if not value.is_floating_point() else 0.75 * first.weights[key] + 0.25 * second.weights[key]
        assert torch.allclose(value, expected, atol=1e-3), key
    found = mean.spec.training["averaged"]
    assert [(entry["share"], entry["sha256"]) for entry in found] == [(0.75, first.sha256), (0.25, second.sha256)]
    assert mean.spec.metrics == {}


def test_a_form_with_less_work_has_the_same_tensors(parts, tmp_path, run):
    out = tmp_path / "coarse.safetensors"
    assert run("model", "coarse-fusion", parts[0], "-o", out)[0] == 0
    code, _, err = run("model", "coarse-fusion", out, "-o", out)
    assert code != 0
    assert "fusion cff_coarse; only an icnet with cff" in err
    first, coarse = load(parts[0]), load(out)
    assert (first.spec.fusion, coarse.spec.fusion) == ("cff", "cff_coarse")
    assert all(torch.equal(value, coarse.weights[key]) for key, value in first.weights.items())
    with pytest.raises(CheckpointError, match=r"differs from .* in fusion"):
        average([first, coarse], [1, 1])


def test_the_shift_of_the_logits_is_averaged_too():
    first, second = (untrained(CLASSES, 0.25, seed) for seed in range(2))
    shifted = replace(first, spec=replace(first.spec, training={"logit_shift": [float(n) for n in range(11)]}))
    spec, _ = average([shifted, second], [3, 1])
    assert spec.training["logit_shift"] == [0.75 * n for n in range(11)]
    assert "logit_shift" not in average([first, second], [3, 1])[0].training


def test_what_cannot_be_averaged(parts, tmp_path, monkeypatch, capsys):
    other = untrained(CLASSES, 0.5)
    with pytest.raises(CheckpointError, match=r"differs from .* in width"):
        average([load(parts[0]), other], [1, 1])
    with pytest.raises(CheckpointError, match="must be positive"):
        average([load(path) for path in parts], [1, 0])
    monkeypatch.setattr(sys, "argv", ["icnet", "average", str(parts[0]), "-o", str(tmp_path / "x")])
    with pytest.raises(SystemExit):
        main()
    assert "at least two" in capsys.readouterr().err
