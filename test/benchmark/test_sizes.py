"""Accuracy and time by input size, the ladder made of them, and the accuracy of what a deadline left."""

import json
import sys

import cv2
import pytest
from street import draw_camvid

from icnet_ros.benchmark.node.deadline import add_miou, read_miou
from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import load_spec, save, untrained
from icnet_ros.checkpoint.ladder import read_ladder
from icnet_ros.command.main import main
from icnet_ros.engine.base import EngineError


def benchmark(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["icnet", "benchmark", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert not stop.value.code


def test_benchmark_sizes_and_the_mean_accuracy_under_a_deadline(monkeypatch, tmp_path, capsys):
    draw_camvid(tmp_path / "data")
    model = untrained(load_classes("camvid"), 0.25)
    path, out, picture = tmp_path / "m.safetensors", tmp_path / "sizes.json", tmp_path / "sizes.png"
    save(path, model.spec, model.weights)
    words = ["--data", "camvid", "--root", tmp_path / "data", "--limit", 2, "--model", path, "--engine", "torch"]
    words += ["--rows", 64, "--rows", 48, "--size", "72x128", "--rounds", 2, "--picture", picture, "--save"]
    benchmark(monkeypatch, "sizes", *words, "--json", out)
    points = json.loads(out.read_text())["points"]
    pairs = [(point["exit"], point["rows"]) for point in points]
    assert pairs == [(exit_, rows) for exit_ in ("sub4", "sub24", "sub124") for rows in (48, 64)]
    assert cv2.imread(str(picture)) is not None
    assert {step[:2] for step in read_ladder(load_spec(path))} <= set(pairs)
    save(tmp_path / "fast.safetensors", model.spec, model.weights)
    words = [*words[:-1], "--exit", "sub24", "--beside", "fast", "--save"]
    benchmark(monkeypatch, "sizes", *words, "--json", tmp_path / "two.json")
    both = json.loads((tmp_path / "two.json").read_text())["points"]
    assert [(point["model"], point["rows"]) for point in both] == [("", 48), ("", 64), ("fast", 48), ("fast", 64)]
    assert {step.model for step in read_ladder(load_spec(path))} <= {"", "fast"}
    assert set(read_miou(tmp_path / "two.json")) == {"sub24 48", "sub24 64", "fast sub24 48", "fast sub24 64"}
    for name, problem in (
        ("fast v2", "is no name of a model"),
        ("other", "other.safetensors is not in the folder of m"),
    ):
        with pytest.raises(AssertionError):
            benchmark(monkeypatch, "sizes", *words, "--beside", name)
        assert problem in " ".join(capsys.readouterr().err.split())

    modes = {"exits": {"steps": {"sub4 48": 3, "sub124 64": 1}}}
    modes["other"] = {"steps": {"sub4 48": 1, "sub24 512": 1}}
    add_miou(modes, read_miou(out))
    assert modes["exits"]["miou"] == pytest.approx((3 * points[0]["miou"] + points[-1]["miou"]) / 4)
    assert "miou" not in modes["other"]
    assert modes["other"]["missing"] == "sub24 512"
    with pytest.raises(EngineError, match="not the JSON"):
        read_miou(picture)
