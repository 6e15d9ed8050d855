"""Two reports of one drive, and the gate."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from drives import icnet, make_bag

from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.report.compare import Side, compare, gate_figures
from icnet_ros.report.document import SCHEMA, Report, check_report
from icnet_ros.report.errors import CompareError, GateError
from icnet_ros.report.gates import Gate
from icnet_ros.report.schema import check


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny, model):
    """Reports of the deepest and of the coarsest exit over one drive, and of another drive."""
    folder = tmp_path_factory.mktemp("runs")
    engine = open_engine("torch", tiny, EngineOptions("cpu"))
    make_bag(folder / "bag", engine, frames=12)
    make_bag(folder / "other_bag", engine, frames=3, seed=5)
    for name, bag, exit_ in (("deep", "bag", "sub124"), ("coarse", "bag", "sub4"), ("other", "other_bag", "sub4")):
        words = ("--out", folder / name, "--exit", exit_, "--engine", "torch", "--model", model, "--no-video")
        assert icnet("replay", folder / bag, *words) == 0
    return folder


def test_figures_are_those_of_the_reports(runs):
    deep, coarse = Side.read(runs / "deep"), Side.read(runs / "coarse" / "report.json")
    found = compare(coarse, deep)
    for name in ("miou", "pixel_accuracy"):
        entry = found["figures"][name]
        assert entry["a"] == pytest.approx(coarse.report[name], abs=1e-6)
        assert entry["b"] == pytest.approx(deep.report[name], abs=1e-6)
        assert entry["delta"] == pytest.approx(entry["b"] - entry["a"], abs=2e-6)
        assert entry["low"] <= entry["delta"] <= entry["high"]
    for name, iou in deep.report["per_class"].items():
        assert found["figures"][f"iou:{name}"]["b"] == pytest.approx(iou, abs=1e-6)
    assert found["frames"] == {"both": 12, "only_a": 0, "only_b": 0}
    assert found["figures"]["miou"]["delta"] > 0.05  # the ground truth was made of the deep exit's labels
    assert 0 < found["agreement"] < 1


def test_the_interval_is_a_bootstrap_over_frames(runs):
    """Against a plain one, confusion matrices summed draw by draw."""
    deep, coarse = Side.read(runs / "deep"), Side.read(runs / "coarse")
    entry = compare(coarse, deep)["figures"]["pixel_accuracy"]
    rng = np.random.default_rng(7)
    deltas = []
    for _ in range(3000):
        drawn = rng.integers(0, 12, 12)
        accuracy = []
        for side in (coarse, deep):
            hits = sum(sum(side.frames[k].true_positives) for k in drawn)
            accuracy.append(hits / sum(sum(side.frames[k].ground_truth) for k in drawn))
        deltas.append(accuracy[1] - accuracy[0])
    low, high = np.percentile(deltas, (2.5, 97.5))
    width = high - low
    assert entry["low"] == pytest.approx(low, abs=0.1 * width)
    assert entry["high"] == pytest.approx(high, abs=0.1 * width)


def test_changed_pixels_are_compared_over_the_same_steps_only(runs):
    """A replay of every second frame changes more from frame to frame, whatever the model."""
    side = Side.read(runs / "deep")
    every_second = [replace(row, previous_frame=row.number - 2) for row in side.frames[2::2]]
    other = replace(side, frames=every_second)
    found = compare(side, other)
    assert "changed_pixels" not in found["figures"]
    assert found["figures"]["confidence"]["delta"] == 0
    mixed = replace(side, frames=[*side.frames[:6], *every_second[2:]])
    assert compare(side, mixed)["figures"]["changed_pixels"]["delta"] == 0


def test_a_report_and_itself(runs):
    side = Side.read(runs / "deep")
    found = compare(side, side)
    assert found["agreement"] == 1
    assert all(entry["delta"] == 0 == entry["low"] == entry["high"] for entry in found["figures"].values())


def test_a_drive_of_several_is_compared_with_the_same_drive_alone(runs):
    alone = Side.read(runs / "deep")
    named = replace(alone, frames=[replace(frame, drive="drive1") for frame in alone.frames])
    found = compare(named, alone)
    assert (found["frames"]["both"], found["agreement"]) == (12, 1)


def test_frames_are_enough_for_the_miou(runs):
    side = Side.read(runs / "deep")
    names = ("true_positives", "ground_truth", "predicted")
    hits, truth, labelled = (np.sum([getattr(frame, name) for frame in side.frames], 0) for name in names)
    matrix = ConfusionMatrix(3)
    matrix.counts += np.array(side.report["confusion"])
    assert hits.tolist() == np.diag(matrix.counts).tolist()
    assert np.nanmean(hits / (truth + labelled - hits)) == pytest.approx(matrix.miou())


def test_frames_without_truth_are_left_out_of_the_scores(runs):
    deep, coarse = Side.read(runs / "deep"), Side.read(runs / "coarse")
    deep.frames[3] = replace(deep.frames[3], ground_truth=(), true_positives=(), predicted=())
    found = compare(coarse, deep)
    rows = [row for k, row in enumerate(coarse.frames) if k != 3]
    accuracy = sum(sum(row.true_positives) for row in rows) / sum(sum(row.ground_truth) for row in rows)
    assert found["figures"]["pixel_accuracy"]["a"] == pytest.approx(accuracy, abs=1e-6)
    assert found["frames"]["both"] == 12


def live(side, rows):
    """As if a node had labelled it, whose frames have numbers of their own."""
    numbered = [replace(row, number=number + 100) for number, row in enumerate(rows)]
    return replace(side, report={**side.report, "live": {}}, frames=numbered)


def test_a_live_run_is_compared_by_stamp_also_if_it_went_round_and_round(runs):
    deep, coarse = Side.read(runs / "deep"), Side.read(runs / "coarse")
    once = compare(deep, coarse)["figures"]["pixel_accuracy"]
    missed = live(
        coarse, [*coarse.frames[5:], *coarse.frames, *coarse.frames[:3]]
    )  # the first five came the second time
    found = compare(deep, missed)
    assert (found["frames"]["both"], found["figures"]["pixel_accuracy"]["delta"]) == (12, once["delta"])
    unstamped = [replace(row, stamp_ns=0) for row in deep.frames[:4]] + deep.frames[4:]
    assert compare(replace(deep, frames=unstamped), live(coarse, coarse.frames))["frames"]["both"] == 8
    assert compare(replace(deep, frames=unstamped), coarse)["frames"]["both"] == 12  # by number


def test_what_cannot_be_compared(runs, tmp_path):
    deep = Side.read(runs / "deep")
    with pytest.raises(CompareError, match="not the same camera: /cam/compressed and /left"):
        compare(deep, replace(deep, report={**deep.report, "image_topic": "/left"}))
    with pytest.raises(CompareError, match="not the same drive"):
        compare(Side.read(runs / "deep"), Side.read(runs / "other"))
    (tmp_path / "report.json").write_text('{"schema_version": 1}')
    with pytest.raises(CompareError, match="schema_version 1"):
        Side.read(tmp_path)
    (tmp_path / "report.json").write_text("rubbish")
    with pytest.raises(CompareError, match="not a report of `icnet replay`"):
        Side.read(tmp_path)
    with pytest.raises(CompareError, match="not a report"):
        Side.read(tmp_path / "nothing")


WRONG_VALUES = (None, "x", -1, [], {}, [1], {"a": 1}, float("inf"), "[/x]")
WRONG_CELLS = ("", "x", "nan", "-1", "1e400", "9" * 5000, "../../x")


def damaged_reports(report):
    """The report with each entry of its two upper levels removed or replaced."""
    entries = [(key,) for key in report] + [
        (key, inner) for key in report if isinstance(report[key], dict) for inner in report[key]
    ]
    for path in entries:
        for value in (*WRONG_VALUES, "remove"):
            damaged = json.loads(json.dumps(report))
            place = damaged if len(path) == 1 else damaged[path[0]]
            if value == "remove":
                del place[path[-1]]
            else:
                place[path[-1]] = value
            yield json.dumps(damaged).encode()


def damaged_tables(table):
    """The table with each column of one row replaced, cut off, and with changed bytes."""
    rows = [line.split(",") for line in table.decode().splitlines()]
    for column in range(len(rows[0])):
        for value in WRONG_CELLS:
            changed = [list(row) for row in rows]
            changed[3][column] = value
            yield "\n".join(",".join(row) for row in changed).encode()
    last = table.rstrip().rfind(b"\n")
    yield from (table[:size] for size in (*range(0, last, 61), *range(last, len(table) - 2)))
    for place in range(0, len(table), 61):
        for byte in (0, table[place] ^ 0x80):
            yield table[:place] + bytes([byte]) + table[place + 1 :]


@pytest.mark.parametrize(("file", "damage"), [("report.json", damaged_reports), ("frames.csv", damaged_tables)])
def test_a_report_that_was_edited_or_damaged_is_compared_or_refused_with_its_name(
    runs, tmp_path, monkeypatch, file, damage
):
    monkeypatch.setattr("icnet_ros.report.compare.SAMPLES", 2)
    deep = Side.read(runs / "deep")
    for name in ("report.json", "frames.csv"):
        shutil.copy(runs / "coarse" / name, tmp_path)
    original = (tmp_path / file).read_bytes()
    refused = 0
    contents = [*damage(json.loads(original) if file == "report.json" else original), b"", b"[" * 100_000, b"\xff\xfe"]
    for content in contents:
        (tmp_path / file).write_bytes(content)
        try:
            other = Side.read(tmp_path)
            found = compare(deep, other)
            assert gate_figures(other, found).keys() >= {"miou", "delta_miou"}
            json.dumps(found, allow_nan=False)
        except CompareError as err:
            refused += 1
            assert str(tmp_path) in str(err) or str(err).startswith(("not the same", "the reports have different"))  # noqa: PT017
    assert refused > len(contents) / 5


def test_a_table_with_fewer_frames_than_the_report_is_refused(runs, tmp_path):
    for name in ("report.json", "frames.csv"):
        shutil.copy(runs / "coarse" / name, tmp_path)
    lines = (tmp_path / "frames.csv").read_text().splitlines(keepends=True)
    (tmp_path / "frames.csv").write_text("".join(lines[:-2]))
    with pytest.raises(CompareError, match=r"10 frames, report\.json says 12"):
        Side.read(tmp_path)


def test_gates_of_figures_that_neither_report_has(runs):
    side = Side.read(runs / "deep")
    known = gate_figures(side, {"figures": {}})
    assert known["delta_miou"] is None
    reason = Gate.parse("delta_miou<0", known).fails(known)
    assert reason == "delta_miou has no value (is there ground truth?)"
    assert "--no-resume" in Gate.parse("fps<1", {"fps": None}).fails({"fps": None})


def test_the_command_gates_and_writes(runs, tmp_path, capfd):
    words = ("compare", runs / "deep", runs / "coarse", "--out", tmp_path)
    assert icnet(*words) == 0
    assert icnet(*words, "--fail-if", "delta_miou<-0.01") == 1
    assert "failed: delta_miou is -0." in capfd.readouterr().err
    assert icnet(*words, "--fail-if", "delta_miou<-0.99", "--json") == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed == json.loads((tmp_path / "compare.json").read_text())
    assert f"{printed['figures']['miou']['delta']:+.4f}" in (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize(
    ("text", "value", "fails"),
    [
        ("miou<0.6", 0.59, True),
        ("miou < 0.6", 0.6, False),
        ("miou<=0.6", 0.6, True),
        ("miou>.5", 0.6, True),
        ("miou>=1e-1", 0.05, False),
        ("miou<0.6", None, True),
    ],
)
def test_conditions(text, value, fails):
    assert bool(Gate.parse(text, ["miou"]).fails({"miou": value})) is fails


@pytest.mark.parametrize("text", ["miou", "miou=0.5", "miou<x", "miou<0.5 and fps>3", "__import__('os')<1", "moiu<0.5"])
def test_conditions_that_say_nothing(text):
    with pytest.raises(GateError, match="--fail-if"):
        Gate.parse(text, ["miou", "fps"])


def test_scores_against_different_ground_truth_are_not_compared(runs):
    deep, coarse = Side.read(runs / "deep"), Side.read(runs / "coarse")
    frames = [replace(frame, ground_truth=tuple(reversed(frame.ground_truth))) for frame in coarse.frames]
    with pytest.raises(CompareError, match="different ground truth"):
        compare(deep, replace(coarse, frames=frames))


def test_reports_of_a_replay_keep_to_the_schema(runs):
    reports = [json.loads(path.read_text()) for path in sorted(runs.glob("*/report.json"))]
    assert reports
    jsonschema = pytest.importorskip("jsonschema")
    for report in reports:
        check(report, Report)
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bag": ["a", "b"]}, "it is of several drives"),
        ({"bag_sha256": None}, "it names no bag"),
        ({"frames": {"read": -1, "labelled": 0, "failed": 0, "scored": 0}}, "frames is .*-1.*, not counts"),
        ({"latency_ms": {}}, r"no entry 'latency_ms\.engine'"),
        ({"per_class": {}}, r"no entry 'per_class\."),
        ({"miou": "good"}, "miou is 'good', not a number or null"),
        ({"frames": {"read": 1}}, r"no entry 'frames\.labelled'"),
    ],
)
def test_a_report_that_cannot_be_compared_is_explained(runs, change, message):
    report = json.loads(next(iter(sorted(runs.glob("*/report.json")))).read_text())
    assert check_report(report) is report
    with pytest.raises(ValueError, match=message):
        check_report(report | change)
