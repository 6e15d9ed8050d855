"""Drives of cameras that send videos, of Foxglove, with frames that cannot be labelled, with negative stamps."""

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from drives import icnet, pictures, read_json, run
from recordings import write_mcap

from icnet_ros.checkpoint.file import open_checkpoint, save
from icnet_ros.checkpoint.ladder import Step, to_metrics
from icnet_ros.engine.base import Frame
from icnet_ros.replay import replay_drives
from icnet_ros.replay.bag_listing import list_bag
from icnet_ros.replay.drive_index import index_drive
from icnet_ros.replay.drives import Drive
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, COMPRESSED_VIDEO, IMAGE, message_type, serialise
from icnet_ros.wire.image import encode_compressed, encode_image, make_header, png_file

SECOND = 10**9


def replay(*words):
    return icnet("replay", *words, "--engine", "torch", "--threads", 1, "--no-video")


def unlabelled(number):
    """An image whose encoding no decoder knows."""
    make, data = message_type(IMAGE), np.zeros(96 * 128, np.uint8)
    return serialise(make(make_header(number + 1, "cam"), 96, 128, f"hologram{number}", 0, 128, data), IMAGE)


def drive(path, frames, cameras=("front",), *, bad=lambda camera, number: False):
    topics = [f"/{name}/image" for name in cameras]
    writer = BagWriter(path, [(topic, IMAGE) for topic in topics])
    for number, bgr in enumerate(pictures(frames)):
        for topic in topics:
            good = encode_image(make_header(number + 1, "cam"), bgr, "bgr8")
            writer.write(topic, unlabelled(number) if bad(topic, number) else good, number)
    writer.close()
    return path


def test_frames_that_cannot_be_labelled_are_said_in_one_line(tmp_path, model, capsys):
    bag = drive(tmp_path / "bag", 8, bad=lambda _, number: number % 2)
    assert replay(bag, "--out", tmp_path / "out", "--model", model) == 0
    said = capsys.readouterr().err
    assert "4 of 8 frames not labelled: encoding 'hologram1' is not one of" in said
    assert said.count("hologram") == 1
    report = read_json(tmp_path / "out" / "report.json")
    assert report["frames"]["failed"] == 4
    assert [error.endswith("(4 frames)") for error in report["errors"]] == [True]
    assert "4 of 8 frames not labelled" in (tmp_path / "out" / "report.html").read_text()


def test_a_camera_without_a_labelled_frame_is_an_error_of_the_whole_replay(tmp_path, model, capsys):
    bag = drive(tmp_path / "bag", 3, ("front", "rear"), bad=lambda topic, _: topic == "/rear/image")
    assert replay(bag, "--out", tmp_path / "out", "--model", model) == 1
    said = capsys.readouterr().err
    assert "bag.rear.image: 3 of 3 frames not labelled: encoding 'hologram0'" in said
    assert "bag.rear.image: nothing was labelled" in said
    entries = {entry["drive"]: entry for entry in read_json(tmp_path / "out" / "report.json")["drives"]}
    assert (entries["bag.rear.image"]["labelled"], entries["bag.front.image"]["labelled"]) == (0, 3)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "3 of 3 frames not labelled: encoding" in page


def test_errors_name_no_places_in_memory(tmp_path, engine):
    """They would make the reports of two runs differ."""
    writer = BagWriter(tmp_path / "bag", [("/cam/compressed", COMPRESSED_IMAGE)])
    for number in range(20):
        content = np.random.default_rng(number).integers(0, 256, 100 + number, np.uint8)
        writer.write("/cam/compressed", encode_compressed(make_header(number + 1, "cam"), content, "jpeg"), number)
    writer.close()
    reports = [run(tmp_path / "bag", engine, tmp_path / name)[1]["errors"] for name in ("one", "two")]
    assert reports[0] == reports[1]
    assert "0x" not in json.dumps(reports)


@pytest.mark.parametrize("began", [-1_080_631_866 * SECOND, -2 * SECOND // 10, -1])
def test_negative_stamps_are_scored(tmp_path, engine, began):
    """As of a clock that was never set; -1 ns is a stamp like others."""
    writer = BagWriter(tmp_path / "bag", [("/cam/image", IMAGE), ("/cam/ground_truth", IMAGE)])
    for number, bgr in enumerate(pictures(4)):
        header = make_header(began + number * SECOND // 10 + (number > 0), "cam")
        labels = engine.segment([Frame(bgr)])[0].labels
        writer.write("/cam/image", encode_image(header, bgr, "bgr8"), number)
        writer.write("/cam/ground_truth", encode_image(header, labels, "mono8"), number)
    writer.close()
    _, report = run(tmp_path / "bag", engine, tmp_path / "out")
    assert (report["frames"]["scored"], report["miou"]) == (4, 1.0)


def test_a_video_in_parts_and_from_its_middle_is_labelled_as_in_one_go(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(replay_drives, "MIN_PART", 10)
    videos = pytest.importorskip("videos")
    packets = videos.encode("libx264", videos.scenes(26), gop=4, b_frames=2)
    content = [
        (number * SECOND // 10, videos.as_message(COMPRESSED_VIDEO, "h264", data, shown))
        for number, (data, shown) in enumerate(packets)
    ]
    bag = write_mcap(tmp_path / "x.mcap", {"/cam/image/foxglove": (COMPRESSED_VIDEO, content)}, chunk_size=5000)
    result, report = run(bag, engine, tmp_path / "whole")
    assert [frame.stamp_ns for frame in result.frames] == [videos.BEGAN + shown for _, shown in packets]
    assert report["latency_ms"]["decode"]["p50"] > 0
    run(bag, engine, tmp_path / "late", start=1.25, stride=3)
    with open_bag(bag) as opened:
        index = index_drive(opened, Selection())
    every = Drive("x", bag, tmp_path, Selection())
    parts = list(replay_drives._parts(26, 26, 1, replay_drives._key_frames(every, index)))
    assert parts == [range(12), range(12, 24), range(24, 26)]  # key frames are 0, 4, ...
    assert replay_drives._key_frames(replace(every, selection=Selection(stride=3)), index) == [2, 3, 4, 6, 7, 8]
    for part in parts:
        run(bag, engine, tmp_path / "parts", part=part)
    for other, count in (("parts", 26), ("late", 5)):
        labels = sorted((tmp_path / other / "labels").glob("*.png"))
        assert len(labels) == count
        for file in labels:
            assert file.read_bytes() == (tmp_path / "whole" / "labels" / file.name).read_bytes()


def test_a_drive_of_foxglove_is_scored_like_one_of_ros(tmp_path, engine):
    def message(number, **fields):
        for name, value in fields.items():
            fields[name] = b64encode(value).decode() if isinstance(value, bytes) else value
        stamp = {"sec": 100 + number, "nsec": 5}
        return number, json.dumps({"timestamp": stamp, "frame_id": "cam", **fields}).encode()

    images, truth = [], []
    for number, bgr in enumerate(pictures(3)):
        labels = engine.segment([Frame(bgr)])[0].labels
        images.append(message(number, format="png", data=png_file(bgr).tobytes()))
        size = {"width": 128, "height": 96, "step": 128, "encoding": "mono8"}
        truth.append(message(number, data=labels.tobytes(), **size))
    kinds = ("jsonschema", "json", b"{}")
    topics = {
        "/cam/image": ("foxglove.CompressedImage", images, kinds),
        "/cam/ground_truth": ("foxglove.RawImage", truth, kinds),
    }
    bag = write_mcap(tmp_path / "x.mcap", topics, profile="")
    result, report = run(bag, engine, tmp_path / "out")
    assert (report["frames"]["scored"], report["miou"]) == (3, 1.0)
    assert [frame.stamp_ns for frame in result.frames] == [(100 + number) * SECOND + 5 for number in range(3)]


def test_the_progress_of_a_listing_counts_messages_that_cannot_be_read(tmp_path):
    steps, content = [], [(1, encode_image(make_header(1, "cam"), next(pictures(1)), "bgr8")), (2, b"no message")]
    with open_bag(write_mcap(tmp_path / "x.mcap", {"/cam": (IMAGE, content)})) as bag:
        list_bag(bag, lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]


def test_what_is_in_a_bag_is_listed(tmp_path, capsys):
    bag = drive(tmp_path / "bag", 3, ("front", "rear"), bad=lambda topic, number: topic == "/rear/image" and number)
    assert icnet("replay", "--list", bag) == 0
    listed = capsys.readouterr().out
    for expected in ("/front/image", "/rear/image", "sensor_msgs", "camera", "bgr8", "hologram1", "128x96"):
        assert expected in listed
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-60])
    assert icnet("replay", "--list", bag) == 1
    assert "is cut off" in " ".join(capsys.readouterr().err.split())


def test_a_second_network_of_the_ladder_belongs_to_what_labels_depend_on(tmp_path, tiny):
    steps = to_metrics((Step("sub124", 64, 0.3, "fast"), Step("sub124", 96, 0.5)))
    save(tmp_path / "net.safetensors", replace(tiny.spec, metrics=steps), tiny.weights)
    checkpoint = open_checkpoint(tmp_path / "net.safetensors")
    assert replay_drives._networks(checkpoint, "fp32", "auto") == {}
    save(tmp_path / "fast.safetensors", tiny.spec, tiny.weights)
    expected = {"ladder_sha256": {"fast": sha256((tmp_path / "fast.safetensors").read_bytes()).hexdigest()}}
    assert replay_drives._networks(checkpoint, "fp32", "auto") == expected
    assert replay_drives._networks(checkpoint, "fp32", "sub124") == {}
