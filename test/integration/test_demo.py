"""The demo end to end, small: three processes over DDS and the files they leave."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.checkpoint.file import load, save
from icnet_ros.command.demo import demo
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.table import open_engine
from icnet_ros.live.demo import DemoOptions, run_demo
from icnet_ros.live.demo_report import write_demo_report
from icnet_ros.live.processes import DemoError
from icnet_ros.live.recording import read_recording
from icnet_ros.live.summary import summarise_run
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.image import encode_compressed, encode_image, encode_jpeg, make_header


@pytest.fixture
def bag(tmp_path, tiny):
    """12 JPEG frames whose ground truth is what the network will say, but for a strip of the wrong class."""
    writer = BagWriter(tmp_path / "bag", [("/cam/compressed", COMPRESSED_IMAGE), ("/cam/ground_truth", IMAGE)])
    engine = open_engine("torch", tiny)
    rng = np.random.default_rng(0)
    for number in range(12):
        time = 10**9 * 1_000 + number * 10**8
        header = make_header(time, "cam")
        bgr = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60))
        jpeg = encode_jpeg(header, bgr)
        truth = engine.segment([Frame(decode_compressed(jpeg).pixels)])[0].labels.copy()
        truth[:15] = (truth[:15] + 1) % 3
        truth[-1] = 11  # void
        writer.write("/cam/compressed", jpeg, time)
        writer.write("/cam/ground_truth", encode_image(header, truth, "mono8"), time)
    writer.close()
    return tmp_path / "bag"


@pytest.mark.usefixtures("domain")
def test_demo(tmp_path, bag, model):
    seen = []
    options = DemoOptions(tmp_path / "out", bag, "torch", str(model), rate=0.3, exit="sub124")
    run = run_demo(options, lambda what, done, total: seen.append((what, done, total)))
    assert seen[-1] == ("playing", 12, 12)
    summary = write_demo_report(run, load(model).spec, "tiny", tmp_path / "out", lambda *_: None)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    frames = summary["frames"]
    assert frames["published"] == 12 == frames["labelled"] + frames["dropped"]
    assert (frames["lost"], frames["failed"], summary["labels_without_image"]) == (0, 0, 0)
    assert frames["labelled"] >= 6
    assert (summary["engine"], summary["trained"], summary["checkpoint"]) == ("torch", True, "tiny")
    assert summary["steps"] == {"sub124 at 60 rows": frames["labelled"]}
    assert summary["latency_ms"]["total"]["p50"] > 0
    assert not {"transport", "age"} & set(summary["latency_ms"])  # not known with simulated time
    assert summary["latency_ms"]["inference"]["p50"] < summary["image_to_labels_ms"]["p50"] < 5_000
    assert summary["pixel_accuracy"] == pytest.approx(44 / 59, abs=1e-6)  # 15 of 60 rows wrong, one void
    assert 0 < summary["miou"] < 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["miou"], report["frames"]["labelled"]) == (summary["miou"], frames["labelled"])
    assert report["live"]["frames"] == frames
    assert f"{summary['miou']:.4f}" in (tmp_path / "out" / "report.html").read_text()
    assert cv2.imread(str(tmp_path / "out" / "contact_sheet.png")).shape[1] >= 2 * 160
    video = cv2.VideoCapture(str(tmp_path / "out" / "overlay.webm"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == frames["labelled"]
    with open_bag(run.recording) as recorded:
        assert {topic.name for topic in recorded.topics()} == {"/icnet/labels", "/icnet/latency"}


@pytest.mark.usefixtures("domain")
def test_the_node_carries_the_coarsest_branch_over_as_the_engine_does(tmp_path, tiny):
    pytest.importorskip("openvino", reason="needs openvino")
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 256, (6, 24, 3), np.uint8), (240, 64), interpolation=cv2.INTER_CUBIC)
    pictures = {10**9 + n * 10**8: np.ascontiguousarray(wide[:, 16 * n : 16 * n + 96]) for n in range(8)}
    image = normalise([Frame(pictures[10**9])], tiny.spec, (64, 96))
    with torch.inference_mode():
        logits = tiny.network(["sub124"]).eval()(torch.from_numpy(image).permute(0, 3, 1, 2))[0]
    path = tmp_path / "even.safetensors"  # each class is as strong as the others
    save(path, tiny.spec, {**tiny.weights, "cls.bias": tiny.weights["cls.bias"] - logits.mean((0, 2, 3))})
    writer = BagWriter(tmp_path / "bag", [("/cam", IMAGE)])
    for stamp, picture in pictures.items():
        writer.write("/cam", encode_image(make_header(stamp, "cam"), picture, "bgr8"), stamp)
    writer.close()
    options = DemoOptions(
        tmp_path / "out", tmp_path / "bag", "openvino", str(path), rate=0.3, precision="fp32", exit="sub124",
        coarse_branch_interval=2,
    )  # fmt: skip
    recorded = read_recording(run_demo(options, lambda *_: None).recording).labels
    assert len(recorded) >= 4
    agreed = {}
    for interval in (0, 2):
        engine = open_engine("openvino", load(path), EngineOptions("cpu", coarse_branch_interval=interval))
        agreed[interval] = [
            (labels == engine.segment([Frame(pictures[stamp], time=stamp / 1e9)])[0].labels).mean()
            for stamp, labels in sorted(recorded.items())
        ]
    assert min(agreed[2]) > 0.998 > min(agreed[0])


@pytest.mark.usefixtures("domain")
def test_frames_that_cannot_be_used_are_failed_not_lost(tmp_path, model):
    """Half of the drive is damaged, its end too, and all stamps are equal."""
    writer = BagWriter(tmp_path / "bag", [("/cam/compressed", COMPRESSED_IMAGE)])
    header = make_header(10**9, "cam")
    for number in range(6):
        jpeg = encode_jpeg(header, np.full((60, 80, 3), 40 * number, np.uint8))
        if number % 2:
            jpeg = encode_compressed(header, np.frombuffer(b"damaged", np.uint8), "jpeg")
        writer.write("/cam/compressed", jpeg, 10**9 * (1 + number))
    writer.close()
    # Two seconds apart: a busy machine may drop what comes sooner.
    options = DemoOptions(tmp_path / "out", tmp_path / "bag", model=str(model), rate=0.5)
    run = run_demo(options, lambda *_: None)
    summary = summarise_run(run, read_recording(run.recording))
    assert summary["frames"] == {"published": 6, "labelled": 3, "dropped": 0, "failed": 3, "lost": 0}


@pytest.mark.usefixtures("domain")
def test_a_node_that_dies_ends_the_demo_with_its_log(tmp_path, bag):
    with pytest.raises(DemoError, match=r"(?s)main process ended with exit code 2.*abacus"):
        run_demo(DemoOptions(tmp_path / "out", bag, engine="abacus"), lambda *_: None)


def test_an_unusable_bag(tmp_path):
    with pytest.raises(WireError, match="no such bag"):
        run_demo(DemoOptions(tmp_path / "out", tmp_path / "none"), lambda *_: None)


def test_files_that_no_demo_wrote_stay(tmp_path, bag):
    folder = tmp_path / "out" / "recording"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(WireError, match=r"thesis\.txt"):
        run_demo(DemoOptions(tmp_path / "out", bag), lambda *_: None)
    assert (folder / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(("named", "labels"), [(True, False), (False, True)])
def test_the_sample_drive_is_scored_if_the_classes_are_those_of_its_labels(monkeypatch, tmp_path, model, named, labels):
    """A model of three classes, and the default model."""
    seen = []

    def run(options, _):
        seen.append(options)
        raise DemoError("not run")

    monkeypatch.setattr("icnet_ros.live.demo.run_demo", run)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the command handles signals of this process
    with pytest.raises(DemoError, match="not run"):
        demo(tmp_path / "out", model=str(model) if named else "")
    assert [options.sample_labels for options in seen] == [labels]
