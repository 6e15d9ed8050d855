"""Every frame once, in order, and the same verdict however often it was interrupted."""

import csv
import json
import sys
from itertools import islice

import cv2
import numpy as np
import pytest

from icnet_ros.checkpoint.file import save
from icnet_ros.command.main import main
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.replay import LABELS_TOPIC, Selection, replay, report
from icnet_ros.wire.bag import Bag, BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError
from icnet_ros.wire.image import decode_compressed, decode_labels, encode_image, encode_jpeg, make_header, stamp_ns

TIMINGS = ("latency_ms",)
FRAMES = 10


@pytest.fixture(scope="module")
def engine(tiny):
    return open_engine("torch", tiny, EngineOptions("cpu"))


def make_bag(path, engine, *, offset=0, damaged=()):
    """10 Hz; the truth is the answer of the engine with a quarter of the rows wrong, stamped `offset` ns later."""
    rng = np.random.default_rng(0)
    writer = BagWriter(path, [("/cam/compressed", COMPRESSED_IMAGE), ("/cam/ground_truth", IMAGE)])
    for number in range(FRAMES):
        time = 10**9 + number * 10**8
        bgr = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
        jpeg = encode_jpeg(make_header(time, "cam"), bgr)
        truth = engine.segment([Frame(decode_compressed(jpeg).pixels)])[0].labels.copy()
        truth[:15] = (truth[:15] + 1) % 3
        writer.write("/cam/compressed", jpeg if number not in damaged else jpeg[:200], time)
        writer.write("/cam/ground_truth", encode_image(make_header(time + offset, "cam"), truth, "mono8"), time)
    writer.close()
    return path


def run(path, engine, out, identity="same", progress=lambda *_: None, **selection):
    found = replay(path, engine, out, Selection(**selection), progress, identity)
    return found, report(found, engine.spec.classes, {})


def without_timings(answer):
    return {key: value for key, value in answer.items() if key not in TIMINGS}


def test_the_verdict_follows_from_the_bag_it_writes(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(3,))
    _, answer = run(bag, engine, tmp_path / "out")
    assert answer["frames"] == {"read": 10, "labelled": 9, "failed": 1}
    assert answer["complete"]
    truths, matrix, stamps = {}, ConfusionMatrix(3), []
    with open_bag(bag) as played:
        for message in played.messages("/cam/ground_truth"):
            header, truth = decode_labels(message.data)
            truths[stamp_ns(header)] = truth
    with open_bag(tmp_path / "out" / "answers") as answers:
        for message in answers.messages(LABELS_TOPIC):
            header, labels = decode_labels(message.data)
            stamps.append(stamp_ns(header))
            matrix.update(truths[stamps[-1]], labels)
    assert answer["miou"] == matrix.miou()
    assert answer["confusion"] == matrix.counts.tolist()
    assert answer["pixel_accuracy"] == pytest.approx(0.75)
    assert stamps == [10**9 + number * 10**8 for number in range(FRAMES) if number != 3]
    with (tmp_path / "out" / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["problem"]) for row in rows] == [number == 3 for number in range(FRAMES)]
    assert float(rows[0]["pixel_accuracy"]) == pytest.approx(0.75)
    assert sum(answer["coverage"].values()) == pytest.approx(1.0)
    json.dumps(answer, allow_nan=False)


def test_an_interrupted_replay_goes_on_to_the_same_verdict(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    _, whole = run(bag, engine, tmp_path / "whole")

    def interrupt(done, _):
        if done == 4:
            raise KeyboardInterrupt

    found, partial = run(bag, engine, tmp_path / "out", progress=interrupt)
    assert (found.done, partial["complete"], partial["frames"]["labelled"]) == (False, False, 4)
    with open_bag(tmp_path / "out" / "answers") as answers:
        assert answers.topics()[0].messages == 4
    asked, segment = [], engine.segment
    monkeypatch.setattr(engine, "segment", lambda *a, **k: asked.append(1) or segment(*a, **k))
    with (tmp_path / "out" / "labels" / "frames.jsonl").open("a") as journal:
        journal.write('{"number": 4, "sta')  # killed while it wrote this
    _, resumed = run(bag, engine, tmp_path / "out")
    assert len(asked) == FRAMES - 4
    assert without_timings(resumed) == without_timings(whole)
    _, again = run(bag, engine, tmp_path / "out", identity="another checkpoint")
    assert len(asked) == 2 * FRAMES - 4
    assert without_timings(again) == without_timings(whole)


def test_a_damaged_bag_is_judged_as_far_as_it_goes(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    messages = Bag.messages

    def damaged(self, *topics):
        yield from islice(messages(self, *topics), 5)
        raise WireError("damaged: the rest cannot be read")

    monkeypatch.setattr(Bag, "messages", damaged)
    _, answer = run(bag, engine, tmp_path / "out")
    assert not answer["complete"]
    assert "the rest cannot be read" in answer["damage"]
    assert answer["frames"]["labelled"] in (4, 5)  # the truth may have ended first
    with open_bag(tmp_path / "out" / "answers") as answers:
        assert answers.topics()[0].messages == answer["frames"]["labelled"]


def test_a_truncated_bag_is_refused_by_name(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    (file,) = bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(WireError, match="bag: not a readable ROS 2 bag"):
        run(bag, engine, tmp_path / "out")


def test_ground_truth_of_the_nearest_stamp_within_the_tolerance(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, offset=20_000_000)
    assert run(bag, engine, tmp_path / "exact")[1]["miou"] is None
    assert run(bag, engine, tmp_path / "near", tolerance=0.03)[1]["pixel_accuracy"] == pytest.approx(0.75)


def test_a_part_of_the_drive(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    found, _ = run(bag, engine, tmp_path / "out", start=0.15, end=0.75, stride=2, limit=2)
    assert [row.stamp_ns for row in found.rows] == [1_200_000_000, 1_400_000_000]


def test_the_command_leaves_a_report(tmp_path, engine, tiny, monkeypatch, capsys):
    bag = make_bag(tmp_path / "bag", engine)
    save(tmp_path / "tiny.safetensors", tiny.spec, tiny.weights)
    words = ["replay", str(bag), "--out", str(tmp_path / "out"), "--model", str(tmp_path / "tiny.safetensors")]
    monkeypatch.setattr(sys, "argv", ["icnet", *words, "--engine", "torch", "--json"])
    with pytest.raises(SystemExit, match="0"):
        raise SystemExit(main())
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    assert (printed["engine"], printed["trained"], printed["frames"]["labelled"]) == ("torch", False, FRAMES)
    assert printed["checkpoint_sha256"]
    assert printed["pixel_accuracy"] == pytest.approx(0.75)
