import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import load_spec, save, untrained
from icnet_ros.checkpoint.spec import EXITS
from icnet_ros.command.main import main
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.table import open_dataset
from icnet_ros.evaluation.evaluate import evaluate, report


@pytest.fixture(scope="module")
def checkpoint():
    return untrained(load_classes("camvid"), width=0.25)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        image = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
        labels = np.kron(rng.integers(0, 12, (6, 8), np.uint8), np.ones((8, 8), np.uint8))
        for kind, pixels in (("images", image), ("labels", labels)):
            path = tmp_path / "val" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    return tmp_path


@torch.inference_mode()
def plain_counts(checkpoint, dataset, exit_, scales, flip):
    """The confusion matrix by the shortest way there is."""
    counts = np.zeros((11, 11), int)
    for image, truth in (dataset[i] for i in range(len(dataset))):
        total = 0
        for scale in scales:
            sized = cv2.resize(image, None, fx=scale, fy=scale) if scale != 1 else image
            for mirrored in (False, True)[: 1 + flip]:
                pixels = sized[:, ::-1].astype(np.float32) if mirrored else sized.astype(np.float32)
                tensor = (torch.from_numpy(pixels.copy()) - torch.tensor(checkpoint.spec.mean)).permute(2, 0, 1)[None]
                logits = checkpoint.network([exit_])(tensor)[0]
                logits = logits.flip(-1) if mirrored else logits
                total += F.interpolate(logits, truth.shape, mode="bilinear", align_corners=True).softmax(1)
        for t, p in zip(truth.flat, total.argmax(1)[0].numpy().flat, strict=True):
            if t != 255:
                counts[t, p] += 1
    return counts


@pytest.mark.parametrize(("scales", "flip"), [((), False), ((1.0, 1.5), True)])
def test_equals_the_plain_way_for_every_exit(checkpoint, root, scales, flip):
    dataset = open_dataset("camvid", root, "val")
    matrices = evaluate(checkpoint, dataset, lambda *_: None, scales=scales, flip=flip)
    assert tuple(matrices) == EXITS
    for name, matrix in matrices.items():
        expected = plain_counts(checkpoint, dataset, name, scales or (1.0,), flip)
        assert matrix.counts.sum() == expected.sum()
        assert np.abs(matrix.counts - expected).sum() <= 4  # pixels where two classes tie


def test_the_command_writes_all_figures(checkpoint, root, tmp_path, monkeypatch, capsys):
    save(tmp_path / "m.safetensors", checkpoint.spec, checkpoint.weights)
    out = tmp_path / "out" / "figures.json"
    words = [
        "evaluate",
        "--data",
        "camvid",
        "--root",
        root,
        "--model",
        tmp_path / "m.safetensors",
        "--json",
        out,
        "--limit",
        2,
    ]
    words += ["--figures", tmp_path / "figures"]
    monkeypatch.setattr("sys.argv", ["icnet", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert stop.value.code == 0
    figures = json.loads(out.read_text())
    assert set(figures["exits"]) == set(EXITS)
    assert figures["miou"] == figures["exits"]["sub124"]["miou"]
    assert 0 <= figures["pixel_accuracy"] <= 1
    assert set(figures["per_class"]) == set(load_classes("camvid").names)
    assert (figures["trained"], figures["dataset"]) == (False, "camvid")
    assert "untrained" in capsys.readouterr().err
    for name in ("branches.png", "differences.png", "regions.png"):
        assert cv2.imread(str(tmp_path / "figures" / name)).std() > 5, name
    regions = json.loads((tmp_path / "figures" / "regions.json").read_text())
    assert set(regions["gain"]) == {"sub24-sub4", "sub124-sub24"}
    assert sum(regions["regions"]) > 0


def test_figures_are_stored_in_a_checkpoint_that_has_none(checkpoint, root, tmp_path, monkeypatch, capsys):
    """As those of `icnet average`."""
    path, out = tmp_path / "m.safetensors", tmp_path / "figures.json"
    save(
        path, replace(checkpoint.spec, metrics={"sources": {"a": {}}, "ladder": [{"exit": "sub4"}]}), checkpoint.weights
    )
    words = ["icnet", "evaluate", "--data", "camvid", "--root", str(root), "--model", str(path), "--json", str(out)]
    monkeypatch.setattr("sys.argv", [*words, "--save"])
    with pytest.raises(SystemExit, match="0"):
        main()
    metrics, figures = load_spec(path).metrics, json.loads(out.read_text())
    assert "sources" not in metrics  # of an earlier evaluation
    assert metrics["ladder"] == [{"exit": "sub4"}]
    assert (metrics["miou"], metrics["pixel_accuracy"]) == (figures["miou"], figures["pixel_accuracy"])
    assert [metrics[f"miou_{name}"] for name in EXITS] == [figures["exits"][name]["miou"] for name in EXITS]
    monkeypatch.setattr("sys.argv", [*words, "--save", "--limit", "1"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "leave out" in capsys.readouterr().err


def test_classes_must_be_the_same(tiny, root):
    with pytest.raises(DatasetError, match=r"tiny \(3 classes\), dataset camvid"):
        evaluate(tiny, open_dataset("camvid", root, "val"), lambda *_: None)


def test_report_of_a_perfect_answer(checkpoint, root):
    dataset = open_dataset("camvid", root, "val")
    matrices = evaluate(checkpoint, dataset.subsample(1), lambda *_: None)
    for matrix in matrices.values():
        matrix.counts[:] = np.diag(np.arange(1, 12))
    figures = report(checkpoint, dataset, matrices, dataset.classes)
    for key in ("miou", "pixel_accuracy", "class_accuracy", "frequency_weighted_iou"):
        assert figures[key] == 1.0


def test_dataset_check(root, tmp_path, monkeypatch, capsys):
    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr(
        "sys.argv",
        ["icnet", "dataset", "check", "--data", "camvid", "--root", str(root), "--split", "val", "--sheet", str(sheet)],
    )
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert stop.value.code == 0
    assert "3 pairs" in capsys.readouterr().out
    assert cv2.imread(str(sheet)).shape[1] > 2 * 128


def test_torch_keeps_its_threads(checkpoint, root, monkeypatch):
    """Numba may share OpenMP with torch and change its threads; a training would round otherwise after that."""

    def meddling(_, height, width):
        torch.set_num_threads(2)
        return np.zeros((height, width), np.uint8)

    monkeypatch.setattr("icnet_ros.evaluation.network_labels.label_map", meddling)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        evaluate(checkpoint, open_dataset("camvid", root, "val"), lambda *_: None)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
