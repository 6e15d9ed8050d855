"""Confidence of labels against ground truth."""

import json
import math

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import save, untrained
from icnet_ros.command.main import main
from icnet_ros.evaluation.calibration_report import calibration_report
from icnet_ros.metrics.calibration import Calibration

SHAPE = (5, 7)
PIXELS = arrays(np.uint8, SHAPE, elements=st.integers(0, 2))


def counted(*images, classes=3):
    calibration = Calibration(classes)
    for image in images:
        calibration.update(*image)
    return calibration


@settings(max_examples=40, deadline=None)
@given(PIXELS, PIXELS, arrays(np.uint8, SHAPE))
def test_figures_are_those_of_the_plain_way(truth, labels, confidence):
    calibration = counted((truth, labels, confidence))
    right, values = (truth == labels).ravel(), confidence.ravel().astype(float)
    pairs = [(bad, good) for bad in values[~right] for good in values[right]]
    auroc = np.mean([1.0 if bad < good else 0.5 if bad == good else 0.0 for bad, good in pairs]) if pairs else math.nan
    assert calibration.error_auroc() == pytest.approx(auroc, nan_ok=True)
    ece = 0.0
    for place in range(16):
        inside = (values >= 16 * place) & (values < 16 * (place + 1))
        if inside.any():
            ece += inside.mean() * abs(values[inside].mean() / 255 - right[inside].mean())
    assert calibration.expected_calibration_error() == pytest.approx(ece)
    (row,) = calibration.thresholds([100])
    kept = values >= 100
    expected = (
        1 - kept[~right].mean() if (~right).any() else math.nan,
        kept[right].mean() if right.any() else math.nan,
        (~right[kept]).mean() if kept.any() else math.nan,
    )
    assert row[1:] == pytest.approx(expected, nan_ok=True)
    assert calibration.of_class(1).pixels() == (labels == 1).sum()


def test_unlabelled_pixels_count_in_the_mean_of_a_frame_only():
    truth, labels = np.full(SHAPE, 255, np.uint8), np.zeros(SHAPE, np.uint8)
    calibration = counted((truth, labels, np.full(SHAPE, 51, np.uint8)))
    assert calibration.pixels() == 0
    assert calibration.frames == [pytest.approx(0.2)]
    assert math.isnan(calibration.expected_calibration_error())
    assert math.isnan(calibration.error_auroc())
    assert calibration.reliability() == []


def test_sources_add_up_and_the_report_is_plain_json():
    rng = np.random.default_rng(0)
    one, two = (tuple(rng.integers(0, 3, (3, *SHAPE), np.uint8)) for _ in range(2))
    report = calibration_report({"a": counted(one), "b": counted(two)}, ["road", "sky", "car"])
    together = counted(one, two)
    assert report["all"]["pixels"] == together.pixels() == sum(part["pixels"] for part in report["sources"].values())
    assert report["all"]["ece"] == together.expected_calibration_error()
    nothing = calibration_report({"": Calibration(3)}, ["road", "sky", "car"])
    assert nothing["all"]["ece"] is None
    assert nothing["classes"] == {}
    assert json.loads(json.dumps([report, nothing])) == [report, nothing]


def test_the_command_writes_diagram_and_table(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for folder in ("images", "labels", "indoor"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), rng.integers(0, 256, (48, 64, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "indoor" / f"{number}.png"), rng.integers(0, 256, (48, 64, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "labels" / f"{number}.png"), rng.integers(0, 11, (48, 64), np.uint8))
    sources = [{"name": "street", "images": "images", "labels": "labels"}]
    sources += [{"name": "indoor", "images": "indoor", "outliers": True}]
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"classes": "camvid", "splits": {"val": sources}}))
    checkpoint = untrained(load_classes("camvid"), width=0.25)
    save(tmp_path / "net.safetensors", checkpoint.spec, checkpoint.weights)
    command = ["evaluate", "--data", str(tmp_path / "data.yaml"), "--model", str(tmp_path / "net.safetensors")]
    monkeypatch.setattr("sys.argv", ["icnet", *command, "--engine", "torch", "--calibration", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    report = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert report["all"]["pixels"] == 2 * 48 * 64
    assert report["sources"]["indoor"]["pixels"] == 0
    assert 0 < report["sources"]["indoor"]["frame_confidence"] < 1
    diagram = cv2.imread(str(tmp_path / "out" / "calibration.png"))
    assert diagram.std() > 10
    printed = capsys.readouterr().out
    assert "source indoor" in printed
    assert "road kept" in printed
