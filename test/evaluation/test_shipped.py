"""The network that people get who name none."""

import hashlib
from pathlib import Path

import pytest

from icnet_ros.checkpoint.default import load_model, model_path
from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.evaluate import evaluate_engine

ROOT = Path(__file__).parents[2]


def test_its_card_is_about_this_file():
    digest = hashlib.sha256(model_path("").read_bytes()).hexdigest()
    assert digest in (ROOT / "models/README.md").read_text()
    spec = load_model("").spec
    assert spec.trained
    assert f"{spec.metrics['miou']:.3f}" in (ROOT / "models/README.md").read_text()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_segments_streets(shared, precision):
    """A wrong scale, channel order or file would show at once."""
    pytest.importorskip("openvino")
    dataset = open_dataset("street", shared / "data/street", "val")
    engine = open_engine("openvino", load_model(""), EngineOptions("cpu", precision))
    matrix = evaluate_engine(engine, dataset.subsample(12), lambda *_: None)
    assert matrix.miou() > 0.35
    assert matrix.pixel_accuracy() > 0.85
