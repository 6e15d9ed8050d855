"""Every frame once, in order, and the same report however often it was interrupted."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from drives import FRAMES, make_bag, run, without_timings, write

from icnet_ros.engine.base import FrameError
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.replay.results.result import merge_results
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.report.outputs import LABELS
from icnet_ros.report.report_json import build_report
from icnet_ros.wire.bag import Bag, BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import encode_image, make_header, stamp_ns


def test_scores_follow_from_the_predictions_bag(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(3,))
    result, report = run(bag, engine, tmp_path / "out")
    write(result, bag, engine, tmp_path / "out")
    assert report["frames"] == {"read": 10, "labelled": 9, "failed": 1, "scored": 9, "damaged": 0}
    assert report["complete"]
    annotated, matrix, stamps = {}, ConfusionMatrix(3), []
    with open_bag(bag) as played:
        for message in played.messages("/cam/ground_truth"):
            header, truth = decode_labels(message.data)
            annotated[stamp_ns(header)] = truth
    with open_bag(tmp_path / "out" / "predictions") as predictions:
        for message in predictions.messages(LABELS):
            header, labels = decode_labels(message.data)
            assert header.frame_id == "cam"
            assert message.recorded_ns == stamp_ns(header)
            stamps.append(stamp_ns(header))
            matrix.update(annotated[stamps[-1]], labels)
    assert report["miou"] == matrix.miou()
    assert report["confusion"] == matrix.counts.tolist()
    assert report["pixel_accuracy"] == pytest.approx(0.75)
    assert stamps == [10**9 + number * 10**8 for number in range(FRAMES) if number != 3]
    assert [bool(frame.error) for frame in result.frames] == [number == 3 for number in range(FRAMES)]
    assert sum(report["coverage"].values()) == pytest.approx(1.0)


def test_a_frame_that_the_network_cannot_label_fails_alone(tmp_path, engine, monkeypatch):
    """Such as NaN logits: otherwise no attempt would ever reach the end of the drive."""
    bag, segment, calls = make_bag(tmp_path / "bag", engine), engine.segment, []

    def sometimes(*words, **options):
        calls.append(1)
        if len(calls) == 6:  # not one of the warm-up
            raise FrameError("the network gave NaN for this frame; no labels are returned")
        return segment(*words, **options)

    monkeypatch.setattr(engine, "segment", sometimes)
    result, report = run(bag, engine, tmp_path / "out")
    assert report["frames"] == {"read": 10, "labelled": 9, "failed": 1, "scored": 9, "damaged": 0}
    assert sum("NaN" in frame.error for frame in result.frames) == 1


def test_a_report_does_not_outlive_its_labels(tmp_path):
    store = ResultStore(tmp_path)
    store.prepare("one network")
    (tmp_path / "report.json").write_text("{}")
    store.prepare("one network")
    assert (tmp_path / "report.json").exists()
    store.prepare("another network")
    assert not (tmp_path / "report.json").exists()


def test_what_changes_between_frames_is_counted_by_class(tmp_path, engine):
    """Against label maps compared pixel by pixel."""
    bag = make_bag(tmp_path / "bag", engine)
    result, report = run(bag, engine, tmp_path / "out")
    maps = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in sorted((tmp_path / "out/labels").glob("*.png"))]
    changed = [np.mean(a != b) for a, b in pairwise(maps)]
    assert [frame.changed_pixels for frame in result.frames[1:]] == pytest.approx(changed, abs=1e-6)
    for k, name in enumerate(engine.spec.classes.names):
        there = sum((a == k).sum() for a in maps[:-1])
        left = sum(((a == k) & (b != k)).sum() for a, b in pairwise(maps))
        assert 0 < report["flicker"][name] == pytest.approx(left / there, abs=1e-6)
    lowest = min(result.frames, key=lambda frame: frame.confidence)
    assert report["least_confident"][0]["number"] == lowest.number


def test_an_interrupted_replay_resumes_to_the_same_report(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    _, whole = run(bag, engine, tmp_path / "whole")

    asked = []
    result, partial = run(bag, engine, tmp_path / "out", stopped=lambda: asked.append(1) or len(asked) > 4)
    assert (result.completed, partial["complete"], partial["frames"]["labelled"]) == (False, False, 4)
    write(result, bag, engine, tmp_path / "out")
    with open_bag(tmp_path / "out" / "predictions") as predictions:
        assert predictions.topics()[0].messages == 4
    asked, segment = [], engine.segment
    monkeypatch.setattr(engine, "segment", lambda *a, **k: asked.append(1) or segment(*a, **k))
    monkeypatch.setattr(engine, "warm_up", lambda *_: None)
    with (tmp_path / "out" / "labels" / "frames.jsonl").open("a") as log:
        log.write('{"number": 4, "sta')  # killed while it wrote this
    _, resumed = run(bag, engine, tmp_path / "out")
    assert len(asked) == FRAMES - 4
    assert without_timings(resumed) == without_timings(whole)
    asked.clear()
    _, again = run(bag, engine, tmp_path / "out", identity="another checkpoint")
    assert len(asked) == FRAMES
    assert without_timings(again) == without_timings(whole)


def untimed(frame):
    return replace(frame, decode_ms=0, preprocess_ms=0, inference_ms=0, postprocess_ms=0)


@pytest.mark.parametrize("sizes", [(4, 3, 3), (1, 9), (10,), (5, 5), (2, 2, 1, 5)])
@pytest.mark.parametrize(
    ("damaged", "frames", "lap"),
    [((4,), 10, 99), ((2, 3, 4), 10, 99), (range(4, 11), 20, 99), (range(4, 12), 20, 99), ((6,), 10, 5)],
)
def test_parts_merge_to_the_whole(tmp_path, engine, sizes, damaged, frames, lap):
    bag = make_bag(tmp_path / "bag", engine, damaged=damaged, frames=frames, bad_ground_truth=(1, frames - 1), lap=lap)
    whole, report = run(bag, engine, tmp_path / "whole")
    after = max(damaged) + 1  # is compared with the one before the damaged ones, unless they are many
    assert whole.frames[after].previous_frame == (min(damaged) - 1 if len(damaged) < 8 else -1)
    assert sum(report["warnings"].values()) == 2
    assert report["pixel_accuracy"] == pytest.approx(0.75)
    sizes = (*sizes, frames - 10) if frames > 10 else sizes
    ends = np.cumsum((0, *sizes)).tolist()
    # The last first, each in a folder of its own: what comes before it must be labelled, too.
    parts = [run(bag, engine, tmp_path / f"{a}", part=range(a, b))[0] for a, b in [*pairwise(ends)][::-1]]
    together = merge_results(parts[::-1])
    for one, other in zip(together.frames, whole.frames, strict=True):
        assert repr(untimed(one)) == repr(untimed(other))
    assert without_timings(build_report(together, engine.spec.classes, {})) == without_timings(report)


def test_a_corrupt_bag_is_scored_as_far_as_it_can_be_read(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    messages = Bag.messages

    def damaged(self, *topics, start=0):
        for message in messages(self, *topics, start=start):
            if message.recorded_ns >= 10**9 + 5 * 10**8:
                raise WireError("damaged: the rest cannot be read")
            yield message

    monkeypatch.setattr(Bag, "messages", damaged)
    result, report = run(bag, engine, tmp_path / "out")
    assert not report["complete"]
    assert "the rest cannot be read" in report["corruption"]
    assert report["frames"]["labelled"] == 5 == report["frames"]["scored"]
    pictures = write(result, bag, engine, tmp_path / "out")
    assert len(pictures.thumbnails) == 5


def test_a_frame_too_small_for_the_network_is_named(tmp_path, engine):
    writer = BagWriter(tmp_path / "bag", [("/cam", IMAGE)])
    for number, size in enumerate((60, 4, 60)):
        image = encode_image(make_header(number + 1, "cam"), np.zeros((size, size, 3), np.uint8), "bgr8")
        writer.write("/cam", image, number)
    writer.close()
    result, report = run(tmp_path / "bag", engine, tmp_path / "out")
    assert [bool(frame.error) for frame in result.frames] == [False, True, False]
    assert "4" in report["errors"][0]


def test_a_part_of_the_drive(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    result, _ = run(bag, engine, tmp_path / "out", start=0.15, end=0.75, stride=2, limit=2)
    assert [frame.stamp_ns for frame in result.frames] == [1_200_000_000, 1_400_000_000]
    assert [frame.number for frame in result.frames] == [2, 4]
