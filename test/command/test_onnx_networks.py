"""The commands with a network that is not ICNet."""

import json

import cv2
import numpy as np
import pytest
from forked import icnet
from networks import CLASSES, DESCRIPTION, Small, export

from icnet_ros.checkpoint.file import open_checkpoint
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import IMAGE
from icnet_ros.wire.image import encode_image, make_header

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of one size, and a dataset that it labels without an error."""
    folder = tmp_path_factory.mktemp("onnx")
    path = export(Small(8, full=True), folder / "net.onnx", size=(96, 160), description=DESCRIPTION)
    engine = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))
    for kind in ("images", "labels"):
        (folder / "data" / kind).mkdir(parents=True)
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 256, (8, 12, 3), np.uint8)
        bgr = cv2.resize(coarse, (150, 100), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "data" / "images" / f"{number}.png"), bgr)
        cv2.imwrite(str(folder / "data" / "labels" / f"{number}.png"), engine.segment([Frame(bgr)])[0].labels)
    part = [{"images": "images", "labels": "labels"}]
    (folder / "data" / "dataset.yaml").write_text(
        json.dumps({"name": "its own", "classes": CLASSES, "splits": {"train": part, "val": part}})
    )
    return folder


def test_info(folder):
    code, out, _ = icnet("info", folder / "net.onnx")
    assert code == 0
    assert all(word in out for word in ("onnx", "96, 160", "rgb", "road", "car", "sky"))
    assert all(word in out for word in ("logits, nchw", "Resize (bilinear", "normalisation inside", "equal labels"))


def test_info_of_a_network_that_cannot_be_used(tmp_path):
    """Scripts see it, too."""
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"classes": "camvid"})
    code, out, _ = icnet("info", path)
    assert code == 1
    assert "cannot be used" in out


def test_segment(folder, tmp_path):
    words = ["-o", tmp_path, "--model", folder / "net.onnx", "--precision", "fp32"]
    code, _, err = icnet("segment", folder / "data" / "images", *words)
    assert code == 0, err
    for number in range(4):
        labels = cv2.imread(str(tmp_path / f"{number}_labels.png"), cv2.IMREAD_UNCHANGED)
        expected = cv2.imread(str(folder / "data" / "labels" / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        assert (labels == expected).mean() > 0.999


def test_evaluate(folder, tmp_path):
    words = [
        "--model",
        folder / "net.onnx",
        "--data",
        folder / "data" / "dataset.yaml",
        "--json",
        tmp_path / "figures.json",
    ]
    code, _, err = icnet("evaluate", *words)
    assert code == 0, err
    assert json.loads((tmp_path / "figures.json").read_text())["miou"] > 0.999
    code, _, err = icnet("evaluate", *words, "--flip")
    assert code == 1
    assert "leave out --flip" in err


def test_replay(folder, tmp_path):
    """A drive whose ground truth is what the network labels."""
    frames = sorted((folder / "data" / "images").glob("*.png"))
    writer = BagWriter(tmp_path / "bag", [("/cam/image_raw", IMAGE), ("/cam/ground_truth", IMAGE)])
    for number, frame in enumerate(frames, 1):
        header = make_header(number * 10**9, "cam")
        labels = cv2.imread(str(folder / "data" / "labels" / frame.name), cv2.IMREAD_UNCHANGED)
        writer.write("/cam/image_raw", encode_image(header, cv2.imread(str(frame)), "bgr8"), number * 10**9)
        writer.write("/cam/ground_truth", encode_image(header, labels, "mono8"), number * 10**9)
    writer.close()
    words = ["--model", folder / "net.onnx", "--out", tmp_path / "out", "--engine", "onnxruntime"]
    code, _, err = icnet("replay", tmp_path / "bag", *words)
    assert code == 0, err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["miou"] > 0.999
    assert report["checkpoint"].startswith("net")


def test_quantize(folder, tmp_path):
    pytest.importorskip("nncf")
    words = ["--model", folder / "net.onnx", "--data", folder / "data" / "dataset.yaml"]
    code, out, err = icnet("quantize", *words, "--images", 4, "--max-drop", 20)
    assert code == 0, err
    assert "Resize" in str(read_tail(folder / "net.sub124.int8.onnx"))  # it was calibrated without
    assert "in int8" in out
    code, _, err = icnet(
        "evaluate", *words, "--precision", "int8", "--engine", "openvino", "--json", tmp_path / "f.json"
    )
    assert code == 0, err
    assert 0.8 < json.loads((tmp_path / "f.json").read_text())["miou"] < 1
    code, _, err = icnet("info", folder / "net.sub124.int8.onnx")
    assert code == 1
    assert "the int8 form of another model" in err


def test_training_refuses_it(folder, tmp_path):
    words = ["--data", folder / "data" / "dataset.yaml", "--init", folder / "net.onnx", "-o", tmp_path]
    code, _, err = icnet("train", *words)
    assert code == 1
    assert "only a .safetensors checkpoint has weights" in err


def test_benchmark_peers_with_the_file_alone(folder, tmp_path):
    words = [
        "--model",
        folder / "net.onnx",
        "--size",
        "96x160",
        "--rounds",
        2,
        "--alone",
        "--json",
        tmp_path / "p.json",
    ]
    code, out, err = icnet("benchmark", "peers", *words)
    assert code == 0, err
    (row,) = json.loads((tmp_path / "p.json").read_text())["rows"]
    assert row["alone_ms"] > 0
    assert row["alone_equal"] > 0.999
    assert row["alone_ratio"] > 0  # the median of the rounds; how large it is depends on what else the machine does
    assert row["alone_cpu_ratio"] > 0
    assert "OpenVINO alone" in out


def test_benchmark_engines(folder, tmp_path):
    words = ["--model", folder / "net.onnx", "--size", "96x160", "--rounds", 2, "--json", tmp_path / "engines.json"]
    code, out, err = icnet("benchmark", "engines", *words)
    assert code == 0, err
    rows = {row["engine"]: row for row in json.loads((tmp_path / "engines.json").read_text())["rows"]}
    assert "runs .safetensors checkpoints only" in rows["torch"]["error"]
    assert rows["openvino"]["agreement"] > 0.99
    assert "first label after" in out
