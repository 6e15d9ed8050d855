"""Every frame once, in order, and the same verdict however often it was interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from drives import FRAMES, icnet, make_bag, without_timings

from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.errors import TruthError
from icnet_ros.evaluation.frames import read_table, write_table
from icnet_ros.evaluation.outputs import CONFIDENCE, LABELS, OVERLAY, Outputs, write_outputs
from icnet_ros.evaluation.replay import Selection, by_engine, merged, prepare, replay
from icnet_ros.evaluation.verdict import report
from icnet_ros.wire.bag import Bag, BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError, deserialise
from icnet_ros.wire.image import decode_compressed, decode_image, decode_labels, encode_image, make_header, stamp_ns


@pytest.fixture(scope="module")
def engine(tiny):
    return open_engine("torch", tiny, EngineOptions("cpu"))


def run(path, engine, out, identity="same", progress=lambda *_: None, part=None, confidence=False, **selection):
    prepare(out, identity)
    classes = engine.spec.classes
    chosen = Selection(**selection)
    found = replay(path, by_engine(engine), classes, out, chosen, progress, part=part, confidence=confidence)
    return found, report(found, classes, {})


def write(found, path, engine, out, **wanted):
    return write_outputs(found, path, engine.spec, out, Selection(), Outputs(**wanted), lambda *_: None)


def test_the_verdict_follows_from_the_bag_it_writes(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(3,))
    found, answer = run(bag, engine, tmp_path / "out")
    write(found, bag, engine, tmp_path / "out")
    assert answer["frames"] == {"read": 10, "labelled": 9, "failed": 1, "scored": 9}
    assert answer["complete"]
    truths, matrix, stamps = {}, ConfusionMatrix(3), []
    with open_bag(bag) as played:
        for message in played.messages("/cam/ground_truth"):
            header, truth = decode_labels(message.data)
            truths[stamp_ns(header)] = truth
    with open_bag(tmp_path / "out" / "answers") as answers:
        for message in answers.messages(LABELS):
            header, labels = decode_labels(message.data)
            assert header.frame_id == "cam"
            assert message.recorded_ns == stamp_ns(header)
            stamps.append(stamp_ns(header))
            matrix.update(truths[stamps[-1]], labels)
    assert answer["miou"] == matrix.miou()
    assert answer["confusion"] == matrix.counts.tolist()
    assert answer["pixel_accuracy"] == pytest.approx(0.75)
    assert stamps == [10**9 + number * 10**8 for number in range(FRAMES) if number != 3]
    assert [bool(row.problem) for row in found.rows] == [number == 3 for number in range(FRAMES)]
    assert sum(answer["coverage"].values()) == pytest.approx(1.0)


def test_what_changes_between_frames_is_counted_by_class(tmp_path, engine):
    """Against label maps compared pixel by pixel."""
    bag = make_bag(tmp_path / "bag", engine)
    found, answer = run(bag, engine, tmp_path / "out")
    maps = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in sorted((tmp_path / "out/labels").glob("*.png"))]
    changed = [np.mean(a != b) for a, b in pairwise(maps)]
    assert [row.changed for row in found.rows[1:]] == pytest.approx(changed, abs=1e-6)
    for k, name in enumerate(engine.spec.classes.names):
        there = sum((a == k).sum() for a in maps[:-1])
        left = sum(((a == k) & (b != k)).sum() for a, b in pairwise(maps))
        assert 0 < answer["flicker"][name] == pytest.approx(left / there, abs=1e-6)
    lowest = min(found.rows, key=lambda row: row.confidence)
    assert answer["least_confident"][0]["number"] == lowest.number


def test_an_interrupted_replay_goes_on_to_the_same_verdict(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    _, whole = run(bag, engine, tmp_path / "whole")

    def interrupt(done, _):
        if done == 4:
            raise KeyboardInterrupt

    found, partial = run(bag, engine, tmp_path / "out", progress=interrupt)
    assert (found.done, partial["complete"], partial["frames"]["labelled"]) == (False, False, 4)
    write(found, bag, engine, tmp_path / "out")
    with open_bag(tmp_path / "out" / "answers") as answers:
        assert answers.topics()[0].messages == 4
    asked, segment = [], engine.segment
    monkeypatch.setattr(engine, "segment", lambda *a, **k: asked.append(1) or segment(*a, **k))
    monkeypatch.setattr(engine, "warm_up", lambda *_: None)
    with (tmp_path / "out" / "labels" / "frames.jsonl").open("a") as journal:
        journal.write('{"number": 4, "sta')  # killed while it wrote this
    _, resumed = run(bag, engine, tmp_path / "out")
    assert FRAMES - 5 <= len(asked) <= FRAMES - 4  # one was in hand when it was interrupted
    assert without_timings(resumed) == without_timings(whole)
    asked.clear()
    _, again = run(bag, engine, tmp_path / "out", identity="another checkpoint")
    assert len(asked) == FRAMES
    assert without_timings(again) == without_timings(whole)


def test_a_killed_command_is_resumed_to_the_same_report(tmp_path, engine, model):
    """SIGKILL in mid-drive, a real process."""
    bag = make_bag(tmp_path / "bag", engine, frames=60)
    script = "from icnet_ros.command.main import main; raise SystemExit(main())"
    words = [sys.executable, "-c", script, "replay", str(bag), "--engine", "torch", "--model", str(model), "--no-video"]
    assert icnet("replay", *words[4:], "--out", tmp_path / "whole") == 0
    killed = subprocess.Popen([*words, "--out", str(tmp_path / "out")], stderr=subprocess.DEVNULL)
    journal = tmp_path / "out" / "labels" / "frames.jsonl"
    while not (journal.exists() and journal.read_text().count("\n") >= 15):
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "out" / "report.json").exists()
    subprocess.run([*words, "--out", str(tmp_path / "out"), "--resume"], check=True, capture_output=True)
    reports = [without_timings(read_json(tmp_path / name / "report.json")) for name in ("whole", "out")]
    assert reports[0] == reports[1]
    assert reports[0]["frames"]["labelled"] == 60


def read_json(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("sizes", [(4, 3, 3), (1, 9), (10,)])
def test_parts_amount_to_the_whole(tmp_path, engine, sizes):
    bag = make_bag(tmp_path / "bag", engine, damaged=(4,))
    whole, answer = run(bag, engine, tmp_path / "whole")
    ends = np.cumsum((0, *sizes)).tolist()
    parts = [run(bag, engine, tmp_path / "out", part=range(*ends_of))[0] for ends_of in pairwise(ends)]
    together = merged(parts)
    assert [row.changed for row in together.rows] == pytest.approx([row.changed for row in whole.rows], nan_ok=True)
    assert without_timings(report(together, engine.spec.classes, {})) == without_timings(answer)


def test_a_damaged_bag_is_judged_as_far_as_it_goes(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    messages = Bag.messages

    def damaged(self, *topics):
        for number, message in enumerate(messages(self, *topics)):
            if number == 5:
                raise WireError("damaged: the rest cannot be read")
            yield message

    monkeypatch.setattr(Bag, "messages", damaged)
    found, answer = run(bag, engine, tmp_path / "out")
    assert not answer["complete"]
    assert "the rest cannot be read" in answer["damage"]
    assert answer["frames"]["labelled"] == 5 == answer["frames"]["scored"]
    pictures = write(found, bag, engine, tmp_path / "out")
    assert len(pictures.thumbnails) == 5


def test_a_frame_too_small_for_the_network_is_named(tmp_path, engine):
    writer = BagWriter(tmp_path / "bag", [("/cam", IMAGE)])
    for number, size in enumerate((60, 4, 60)):
        image = encode_image(make_header(number + 1, "cam"), np.zeros((size, size, 3), np.uint8), "bgr8")
        writer.write("/cam", image, number)
    writer.close()
    found, answer = run(tmp_path / "bag", engine, tmp_path / "out")
    assert [bool(row.problem) for row in found.rows] == [False, True, False]
    assert "4" in answer["problems"][0]


def test_ground_truth_of_the_nearest_stamp_within_the_tolerance(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, offset=20_000_000)
    assert run(bag, engine, tmp_path / "exact")[1]["miou"] is None
    assert run(bag, engine, tmp_path / "near", tolerance=0.03)[1]["pixel_accuracy"] == pytest.approx(0.75)


def test_ground_truth_of_another_size_is_noted_not_fatal(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    folder = tmp_path / "truth"
    folder.mkdir()
    cv2.imwrite(str(folder / "000002.png"), np.zeros((10, 10), np.uint8))
    _, answer = run(bag, engine, tmp_path / "out", truth_folder=str(folder))
    assert answer["frames"]["labelled"] == FRAMES
    assert answer["miou"] is None
    assert list(answer["notes"]) == ["ground truth is (10, 10), the label map (96, 128)"]


@pytest.mark.parametrize("name", ["number", "stamp", "order"])
def test_ground_truth_from_a_folder(tmp_path, engine, name):
    bag = make_bag(tmp_path / "bag", engine)
    by_topic = run(bag, engine, tmp_path / "topic")[1]
    folder = tmp_path / "truth"
    folder.mkdir()
    with open_bag(bag) as opened:
        for number, message in enumerate(opened.messages("/cam/ground_truth")):
            header, truth = decode_labels(message.data)
            stem = {"number": f"{number:06d}", "stamp": f"{stamp_ns(header) + 10**18}", "order": f"x{number:03d}_L"}[
                name
            ]
            if name == "stamp":
                continue
            cv2.imwrite(str(folder / f"{stem}.png"), truth)
    if name == "stamp":
        stamped = restamp(bag, tmp_path / "late", 1_700_000_000 * 10**9, folder)
        answer = run(stamped, engine, tmp_path / "out", truth_folder=str(folder))[1]
    else:
        answer = run(bag, engine, tmp_path / "out", truth_folder=str(folder))[1]
    assert answer["confusion"] == by_topic["confusion"]
    assert answer["truth"] == str(folder)


def restamp(bag, path, offset, folder):
    """The bag with stamps of this century, its truth in a folder."""
    writer = BagWriter(path, [("/cam", IMAGE)])
    with open_bag(bag) as opened:
        for message in opened.messages("/cam/compressed", "/cam/ground_truth"):
            if message.topic.endswith("truth"):
                header, truth = decode_labels(message.data)
                cv2.imwrite(str(folder / f"{stamp_ns(header) + offset}.png"), truth)
            else:
                picture = decode_compressed(message.data)
                header = make_header(stamp_ns(picture.header) + offset, "cam")
                writer.write("/cam", encode_image(header, picture.pixels, "bgr8"), message.recorded_ns)
    writer.close()
    return path


def test_ground_truth_of_another_label_set(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    by_topic = run(bag, engine, tmp_path / "topic")[1]
    folder = tmp_path / "truth"
    folder.mkdir()
    with open_bag(bag) as opened:
        for number, message in enumerate(opened.messages("/cam/ground_truth")):
            truth = decode_labels(message.data)[1] * 10 + 7  # 7, 17, 27
            truth[0, 0] = 99
            cv2.imwrite(str(folder / f"{number:06d}.png"), truth)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("7: road\n17: car\n27: sky\n")
    _, answer = run(bag, engine, tmp_path / "out", truth_folder=str(folder), mapping=str(mapping))
    missing = np.array(by_topic["confusion"]) - np.array(answer["confusion"])
    assert missing.sum() == FRAMES
    assert (missing >= 0).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7: boat\n", "'boat' is none of the classes road, car, sky"),
        ("x: road\n", "'x' is no id"),
        ("[1]", "of the form"),
    ],
)
def test_a_mapping_that_cannot_be_meant(tmp_path, engine, text, said):
    bag = make_bag(tmp_path / "bag", engine)
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(TruthError, match=said):
        run(bag, engine, tmp_path / "out", mapping=str(tmp_path / "mapping.yaml"))


def test_label_images_that_belong_to_no_frame_for_certain(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    folder = tmp_path / "truth"
    folder.mkdir()
    with pytest.raises(TruthError, match=r"no \.png"):
        run(bag, engine, tmp_path / "out", truth_folder=str(folder))
    cv2.imwrite(str(folder / "a.png"), np.zeros((96, 128), np.uint8))
    with pytest.raises(TruthError, match="1 label images for 10 images"):
        run(bag, engine, tmp_path / "out", truth_folder=str(folder))


def test_a_part_of_the_drive(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    found, _ = run(bag, engine, tmp_path / "out", start=0.15, end=0.75, stride=2, limit=2)
    assert [row.stamp_ns for row in found.rows] == [1_200_000_000, 1_400_000_000]
    assert [row.number for row in found.rows] == [2, 4]


def test_everything_that_can_be_asked_for(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    out = tmp_path / "out"
    found, _ = run(bag, engine, out, confidence=True)
    pictures = write(found, bag, engine, out, confidence=True, overlay=True)
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    with open_bag(out / "answers") as answers:
        assert {topic.name: topic.messages for topic in answers.topics()} == dict.fromkeys(
            (LABELS, CONFIDENCE, OVERLAY), FRAMES
        )
        sure = [decode_image(message.data).pixels[..., 0].mean() / 255 for message in answers.messages(CONFIDENCE)]
        overlay = decode_compressed(next(answers.messages(OVERLAY)).data).pixels
    assert sure == pytest.approx([row.confidence for row in found.rows], abs=1e-4)
    assert overlay.shape == (96, 128, 3)
    assert len(pictures.thumbnails) == FRAMES
    assert [name for name, _ in pictures.worst[0][1]] == ["image", "prediction", "ground truth", "difference"]
    difference = cv2.imdecode(np.frombuffer(pictures.worst[0][1][3][1], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert difference[:20].mean() > 240  # the wrong quarter
    assert difference[28:].mean() < 10
    assert pictures.worst[0][0].miou == min(row.miou for row in found.rows)


def test_the_table_reads_back(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(0,))
    found, _ = run(bag, engine, tmp_path / "out")
    write_table(tmp_path / "frames.csv", found.rows, engine.spec.classes.names)
    back = read_table(tmp_path / "frames.csv", engine.spec.classes.names)
    assert [repr(one) for one in back] == [repr(one).replace("=()", "=[]") for one in found.rows]
    with pytest.raises(ValueError, match="no column 'pixels:boat'"):
        read_table(tmp_path / "frames.csv", ["boat"])


def test_files_that_no_replay_wrote_are_kept(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "thesis.png").write_text("precious")
    with pytest.raises(WireError, match="no replay wrote"):
        prepare(tmp_path, "same")
    assert (tmp_path / "labels" / "thesis.png").exists()


def test_the_answers_carry_the_headers_of_the_images(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    found, _ = run(bag, engine, tmp_path / "out")
    write(found, bag, engine, tmp_path / "out", video=False)
    assert not (tmp_path / "out" / "overlay.mp4").exists()
    with open_bag(bag) as images, open_bag(tmp_path / "out" / "answers") as answers:
        pairs = zip(images.messages("/cam/compressed"), answers.messages(LABELS), strict=True)
        for image, labels in pairs:
            theirs = deserialise(image.data, "sensor_msgs/msg/CompressedImage").header
            assert decode_labels(labels.data)[0] == theirs
