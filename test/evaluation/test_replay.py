"""Every frame once, in order, and the same verdict however often it was interrupted."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from drives import FRAMES, make_bag, run, without_timings, write

from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.outputs import LABELS
from icnet_ros.evaluation.replay import merged
from icnet_ros.evaluation.verdict import report
from icnet_ros.wire.bag import Bag, BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.image import decode_labels, encode_image, make_header, stamp_ns


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

    asked = []
    found, partial = run(bag, engine, tmp_path / "out", stopped=lambda: asked.append(1) or len(asked) > 4)
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
    assert len(asked) == FRAMES - 4
    assert without_timings(resumed) == without_timings(whole)
    asked.clear()
    _, again = run(bag, engine, tmp_path / "out", identity="another checkpoint")
    assert len(asked) == FRAMES
    assert without_timings(again) == without_timings(whole)


def untimed(row):
    return replace(row, decode_ms=0, preprocess_ms=0, inference_ms=0, postprocess_ms=0)


@pytest.mark.parametrize("sizes", [(4, 3, 3), (1, 9), (10,), (5, 5), (2, 2, 1, 5)])
@pytest.mark.parametrize(
    ("damaged", "frames", "lap"),
    [((4,), 10, 99), ((2, 3, 4), 10, 99), (range(4, 11), 20, 99), (range(4, 12), 20, 99), ((6,), 10, 5)],
)
def test_parts_amount_to_the_whole(tmp_path, engine, sizes, damaged, frames, lap):
    bag = make_bag(tmp_path / "bag", engine, damaged=damaged, frames=frames, bad_truth=(1, frames - 1), lap=lap)
    whole, answer = run(bag, engine, tmp_path / "whole")
    after = max(damaged) + 1  # is compared with the one before the damaged ones, unless they are many
    assert whole.rows[after].before == (min(damaged) - 1 if len(damaged) < 8 else -1)
    assert sum(answer["notes"].values()) == 2
    assert answer["pixel_accuracy"] == pytest.approx(0.75)
    sizes = (*sizes, frames - 10) if frames > 10 else sizes
    ends = np.cumsum((0, *sizes)).tolist()
    # The last first, each in a folder of its own: what comes before it must be labelled, too.
    parts = [run(bag, engine, tmp_path / f"{a}", part=range(a, b))[0] for a, b in [*pairwise(ends)][::-1]]
    together = merged(parts[::-1])
    for one, other in zip(together.rows, whole.rows, strict=True):
        assert repr(untimed(one)) == repr(untimed(other))
    assert without_timings(report(together, engine.spec.classes, {})) == without_timings(answer)


def test_a_damaged_bag_is_judged_as_far_as_it_goes(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    messages = Bag.messages

    def damaged(self, *topics, start=0):
        for message in messages(self, *topics, start=start):
            if message.recorded_ns >= 10**9 + 5 * 10**8:
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


def test_a_part_of_the_drive(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    found, _ = run(bag, engine, tmp_path / "out", start=0.15, end=0.75, stride=2, limit=2)
    assert [row.stamp_ns for row in found.rows] == [1_200_000_000, 1_400_000_000]
    assert [row.number for row in found.rows] == [2, 4]
