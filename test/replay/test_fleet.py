"""Many drives at once give the report of one after the other, and one bad drive spoils none."""

import json
import os

import pytest
from drives import FRAMES, icnet, make_bag, pictures, read_json, without_timings

from icnet_ros.engine.base import Frame
from icnet_ros.replay.folder_lock import locked
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import IMAGE
from icnet_ros.wire.image import encode_image, make_header


@pytest.fixture(scope="module")
def bags(tmp_path_factory, engine):
    """Four drives of different lengths, in folders of their own."""
    folder = tmp_path_factory.mktemp("bags")
    for number, frames in enumerate((4, 30, 9, 6)):
        make_bag(folder / f"drive{number}", engine, frames=frames, seed=number)
    return folder


def run(*words):
    return icnet("replay", *words, "--engine", "torch", "--no-video")


@pytest.fixture(scope="module")
def sequential(tmp_path_factory, bags, model):
    out = tmp_path_factory.mktemp("sequential")
    # With one thread, as the workers: with more, torch adds in another order.
    assert run("--fleet", f"{bags}/**/*.mcap", "--out", out, "--model", model, "--threads", 1) == 0
    return out


def assert_same(one, other):
    assert without_timings(read_json(one / "report.json")) == without_timings(read_json(other / "report.json"))


@pytest.mark.parametrize("pool", ["processes", pytest.param("ray", marks=pytest.mark.nightly)])
@pytest.mark.timeout(600)
def test_shared_work_gives_the_same_report(tmp_path, bags, model, sequential, pool):
    if pool == "ray":
        pytest.importorskip("ray", reason="no ray in this environment")
    words = (
        "--fleet",
        f"{bags}/**/*.mcap",
        "--out",
        tmp_path / "out",
        "--model",
        model,
        "--workers",
        2,
        "--threads",
        1,
    )
    assert run(*words, *(("--ray", "local") if pool == "ray" else ())) == 0
    assert_same(sequential, tmp_path / "out")
    for number in range(4):
        assert_same(sequential / f"drive{number}", tmp_path / "out" / f"drive{number}")
    assert (sequential / "drive1" / "frames.csv").read_text().count("\n") == 31
    assert len(list((tmp_path / "out" / "drive1" / "labels").glob("frames.*.jsonl"))) == 2  # it was shared out


def test_the_fleet_is_the_sum_of_its_drives(sequential):
    whole = read_json(sequential / "report.json")
    drives = [read_json(sequential / f"drive{number}" / "report.json") for number in range(4)]
    summed = [
        [sum(cells) for cells in zip(*rows, strict=True)]
        for rows in zip(*(d["confusion"] for d in drives), strict=True)
    ]
    assert whole["confusion"] == summed
    assert whole["frames"]["labelled"] == 49
    assert [entry["drive"] for entry in whole["drives"]] == [f"drive{number}" for number in range(4)]
    page = (sequential / "index.html").read_text()
    assert all(f'href="drive{number}/report.html"' in page for number in range(4))


def test_a_corrupt_bag_is_reported_and_skipped(tmp_path, capfd, engine, model):
    make_bag(tmp_path / "good", engine)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.mcap").write_bytes(b"rubbish")
    words = (tmp_path / "good", tmp_path / "bad", "--out", tmp_path / "out", "--model", model)
    assert run(*words) == 1
    report = read_json(tmp_path / "out" / "report.json")
    assert not report["complete"]
    assert report["frames"]["labelled"] == FRAMES
    assert [bool(entry["error"]) for entry in report["drives"]] == [False, True]
    assert "incomplete: bad:" in capfd.readouterr().err


def test_cameras_of_one_bag_are_drives_of_their_own(tmp_path, engine, model):
    make_bag(tmp_path / "bag", engine, cameras=("left", "right"))
    assert run(tmp_path / "bag", "--out", tmp_path / "out", "--model", model) == 0
    for name in ("left", "right"):
        report = read_json(tmp_path / "out" / f"bag.{name}" / "report.json")
        assert (report["image_topic"], report["ground_truth"]) == (f"/{name}/compressed", f"/{name}/ground_truth")
        assert report["pixel_accuracy"] == pytest.approx(0.75)
    one = (tmp_path / "bag", "--out", tmp_path / "one", "--model", model, "--image-topic", "/left/compressed")
    assert run(*one) == 0
    assert read_json(tmp_path / "one" / "report.json")["ground_truth"] == "/left/ground_truth"


def test_a_named_ground_truth_is_no_camera(tmp_path, engine, model):
    writer = BagWriter(tmp_path / "bag [/old]", [("/cam", IMAGE), ("/semantic", IMAGE)])
    for number, bgr in enumerate(pictures(3)):
        header = make_header(number + 1, "cam")
        writer.write("/cam", encode_image(header, bgr, "bgr8"), number)
        truth = engine.segment([Frame(bgr)])[0].labels
        writer.write("/semantic", encode_image(header, truth, "mono8"), number)
    writer.close()
    words = ("--out", tmp_path / "out", "--model", model, "--truth-topic", "/semantic")
    assert run(tmp_path / "bag [/old]", *words) == 0
    report = read_json(tmp_path / "out" / "report.json")
    assert (report["image_topic"], report["pixel_accuracy"], report["frames"]["scored"]) == ("/cam", 1.0, 3)


def test_a_folder_of_truth_belongs_to_one_drive(tmp_path, bags, model):
    words = ("--out", tmp_path / "out", "--model", model, "--truth", tmp_path)
    assert run(bags / "drive0", bags / "drive2", *words) == 2


def test_one_drive_has_its_report_where_it_was_asked_for(tmp_path, capfd, engine, model):
    bag = make_bag(tmp_path / "bag", engine)
    words = (bag, "--out", tmp_path / "out", "--model", model, "--json")
    assert run(*words) == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed == read_json(tmp_path / "out" / "report.json")
    assert (printed["engine"], printed["trained"], printed["frames"]["labelled"]) == ("torch", False, FRAMES)
    assert printed["checkpoint_sha256"]
    assert len(printed["bag_sha256"]) == 64
    assert printed["pixel_accuracy"] == pytest.approx(0.75)


def test_a_gate_that_fails_ends_with_1(tmp_path, capfd, engine, model):
    bag = make_bag(tmp_path / "bag", engine)
    words = (bag, "--out", tmp_path / "out", "--model", model)
    assert run(*words, "--fail-if", "pixel_accuracy<0.7", "--fail-if", "failed>0") == 0
    assert run(*words, "--fail-if", "pixel_accuracy<0.8") == 1
    assert "pixel_accuracy is 0.7500: < 0.8" in capfd.readouterr().err
    assert run(*words, "--fail-if", "iou:boat<0.8") == 1
    assert "there are miou, pixel_accuracy" in capfd.readouterr().err


def test_a_recording_for_the_viewer(tmp_path, engine, model):
    pytest.importorskip("rerun", reason="no rerun-sdk in this environment")
    bag = make_bag(tmp_path / "bag", engine)
    out = tmp_path / "out"
    assert run(bag, "--out", out, "--model", model, "--rerun", tmp_path / "x.rrd") == 0
    assert (tmp_path / "x.rrd").read_bytes()[:4] == b"RRF2"
    assert (tmp_path / "x.rrd").stat().st_size > 10_000


def test_nothing_that_could_be_labelled_is_no_success(tmp_path, capfd, engine, model):
    bag = make_bag(tmp_path / "bag", engine, frames=2, damaged=(0, 1))
    assert run(bag, "--out", tmp_path / "out", "--model", model) == 1
    error = read_json(tmp_path / "out" / "report.json")["errors"][0]
    assert f"nothing was labelled: {error}" in capfd.readouterr().err
    assert run(bag, "--out", tmp_path / "out", "--model", model, "--start", 99) == 1
    assert "no frame lies in what --start" in capfd.readouterr().err


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, capfd, engine, model):
    bag = make_bag(tmp_path / "bag", engine, frames=2)
    (tmp_path / "file").write_text("precious")
    assert run(bag, "--out", tmp_path / "file", "--model", model) == 1
    assert "file: cannot be written to: File exists" in capfd.readouterr().err


def test_nothing_to_replay(tmp_path, capfd):
    assert run("--out", tmp_path / "out", "--fleet", f"{tmp_path}/*.mcap") == 1
    assert "no bag matches" in capfd.readouterr().err


def test_one_drive_that_cannot_be_written_spoils_no_other(tmp_path, capfd, engine, model):
    for number in (0, 1):
        make_bag(tmp_path / f"bag{number}", engine, frames=3)
    (tmp_path / "out" / "bag0" / "predictions").mkdir(parents=True)
    (tmp_path / "out" / "bag0" / "predictions" / "notes.txt").write_text("precious")
    assert run(tmp_path / "bag0", tmp_path / "bag1", "--out", tmp_path / "out", "--model", model) == 1
    assert "incomplete: bag0:" in capfd.readouterr().err
    report = read_json(tmp_path / "out" / "report.json")
    assert [bool(entry["error"]) for entry in report["drives"]] == [True, False]
    assert [entry["labelled"] for entry in report["drives"]] == [3, 3]
    assert not read_json(tmp_path / "out" / "bag0" / "report.json")["complete"]
    assert read_json(tmp_path / "out" / "bag1" / "report.json")["complete"]
    assert (tmp_path / "out" / "bag0" / "predictions" / "notes.txt").exists()


def test_a_drive_without_the_named_truth_is_reported(tmp_path, capfd, engine, model):
    make_bag(tmp_path / "one", engine, frames=2)
    make_bag(tmp_path / "two", engine, frames=2, cameras=("other",))
    words = (tmp_path / "one", tmp_path / "two", "--out", tmp_path / "out", "--model", model)
    assert run(*words, "--truth-topic", "/cam/ground_truth") == 1
    assert "incomplete: two: " in capfd.readouterr().err
    assert read_json(tmp_path / "out" / "one" / "report.json")["frames"]["scored"] == 2


def test_a_named_truth_needs_a_named_camera(tmp_path, capfd, engine, model):
    make_bag(tmp_path / "bag", engine, cameras=("left", "right"), frames=2)
    words = (tmp_path / "bag", "--out", tmp_path / "out", "--model", model, "--truth-topic", "/left/ground_truth")
    assert run(*words) == 1
    assert "name it with --image-topic" in capfd.readouterr().err
    assert run(*words, "--image-topic", "/left/compressed") == 0


def test_labels_of_other_versions_are_not_reused(tmp_path, engine, model, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine, frames=3)
    words = (bag, "--out", tmp_path / "out", "--model", model)
    speeds = []
    for version in ("1.0", "1.0", "2.0"):
        monkeypatch.setattr("icnet_ros.replay.replay_drives.versions", lambda version=version: {"openvino": version})
        assert run(*words) == 0
        speeds.append(read_json(tmp_path / "out" / "report.json")["throughput_fps"])
    assert [bool(speed) for speed in speeds] == [True, False, True]  # whether anything was labelled anew


def test_a_drive_that_another_replay_works_on_is_left_out(tmp_path, bags, model, sequential):
    """A single replay into the folder of a drive of the fleet: neither writes into the results of the other."""
    out = tmp_path / "out"
    words = ("--fleet", f"{bags}/**/*.mcap", "--out", out, "--model", model, "--threads", 1)
    with locked(out / "drive2"):
        (out / "drive2" / "report.html").write_text("of the other replay")
        assert run(*words) == 1
        report = read_json(out / "report.json")
        errors = {entry["drive"]: entry["error"] for entry in report["drives"]}
        assert f"process {os.getpid()} writes its results there" in errors.pop("drive2")
        assert set(errors.values()) == {""}
        assert report["frames"]["labelled"] == 40
        assert "drive2/report.html" not in (out / "index.html").read_text()
    assert (out / "drive2" / "report.html").read_text() == "of the other replay"
    assert run(*words) == 0
    assert_same(sequential, out)
    assert not list(out.glob("**/.lock"))
