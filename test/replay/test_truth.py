"""Which ground truth belongs to which frame."""

import cv2
import numpy as np
import pytest
from drives import FRAMES, make_bag, pictures, run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import TopicGroundTruth
from icnet_ros.wire.bag import Bag, BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import encode_image, make_header, stamp_ns
from icnet_ros.wire.index import TopicIndex
from icnet_ros.wire.topic import Message


def test_ground_truth_of_the_nearest_stamp_within_the_tolerance(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, offset=20_000_000)
    assert run(bag, engine, tmp_path / "exact")[1]["miou"] is None
    assert run(bag, engine, tmp_path / "near", tolerance=0.03)[1]["pixel_accuracy"] == pytest.approx(0.75)


def test_ground_truth_of_another_size_is_a_warning_not_fatal(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    folder = tmp_path / "truth"
    folder.mkdir()
    cv2.imwrite(str(folder / "000002.png"), np.zeros((10, 10), np.uint8))
    _, report = run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder))
    assert report["frames"]["labelled"] == FRAMES
    assert report["miou"] is None
    assert list(report["warnings"]) == ["ground truth is (10, 10), the label map (96, 128)"]


def truth_folder(bag, folder, name, change=lambda truth: truth):
    """The label images of a bag as PNGs, called name(number, stamp)."""
    folder.mkdir()
    with open_bag(bag) as opened:
        for number, message in enumerate(opened.messages("/cam/ground_truth")):
            header, truth = decode_labels(message.data)
            cv2.imwrite(str(folder / f"{name(number, stamp_ns(header))}.png"), change(truth))
    return folder


@pytest.mark.parametrize("name", ["{number:06d}", "{stamp}", "x{number:03d}_L", "frame{number}", "cam 1-{tenths}"])
@pytest.mark.parametrize("began", [1_700_000_000 * 10**9, 10**9])  # simulated time begins at 0
def test_ground_truth_from_a_folder(tmp_path, engine, name, began):
    bag = make_bag(tmp_path / "bag", engine, began=began)
    by_topic = run(bag, engine, tmp_path / "topic")[1]
    folder = truth_folder(
        bag, tmp_path / "truth", lambda number, stamp: name.format(number=number, stamp=stamp, tenths=number + 8)
    )
    report = run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder))[1]
    assert report["confusion"] == by_topic["confusion"]
    assert report["ground_truth"] == str(folder)


def test_ground_truth_of_another_label_set(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    by_topic = run(bag, engine, tmp_path / "topic")[1]

    def theirs(truth):
        ids = truth * 10 + 7  # 7, 17, 27
        ids[0, 0] = 99
        return ids

    folder = truth_folder(bag, tmp_path / "truth", lambda number, _: f"{number:06d}", theirs)
    mapping = tmp_path / "mapping.yaml"
    lines = "7: road\n17: car\n27: sky\n"
    mapping.write_text(lines)
    with pytest.raises(GroundTruthError, match="has id 99, which is not in the mapping: add it, or `others: ignore`"):
        run(bag, engine, tmp_path / "partial", ground_truth_folder=str(folder), mapping=str(mapping))
    mapping.write_text(f"{lines}others: ignore\n")
    _, report = run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder), mapping=str(mapping))
    missing = np.array(by_topic["confusion"]) - np.array(report["confusion"])
    assert missing.sum() == FRAMES
    assert (missing >= 0).all()


def test_ground_truth_of_other_class_ids_is_suspected(tmp_path, engine):
    """A bag of 11 classes and a model of 19 gave mIoU 0.02 without a word."""
    bag = make_bag(tmp_path / "bag", engine)
    shuffled = np.array([1, 2, 0], np.uint8)
    folder = truth_folder(bag, tmp_path / "truth", lambda number, _: f"{number:06d}", lambda truth: shuffled[truth])
    wrong = run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder), trained=True)[1]
    (warning,) = wrong["warnings"]
    assert "of the pixels agree with the ground truth: are its ids those of tiny? Take a model" in warning
    assert run(bag, engine, tmp_path / "right", trained=True)[1]["warnings"] == {}


def test_ground_truth_that_is_what_the_model_gave_is_suspected(tmp_path, engine):
    """Labels that were recorded, or published again under another name, are no annotations: 100 % says nothing."""
    bag = make_bag(tmp_path / "bag", engine)

    def mended(truth):
        return np.vstack([(truth[:24] + 2) % 3, truth[24:]])  # see make_bag

    folder = truth_folder(bag, tmp_path / "truth", lambda number, _: f"{number:06d}", mended)
    report = run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder), trained=True)[1]
    assert report["pixel_accuracy"] == 1
    assert {text[:44]: count for text, count in report["warnings"].items()} == {
        "all pixels agree with the ground truth: is i": FRAMES
    }


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
    with pytest.raises(GroundTruthError, match=said):
        run(bag, engine, tmp_path / "out", mapping=str(tmp_path / "mapping.yaml"))


def test_label_images_that_belong_to_no_frame_for_certain(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    folder = tmp_path / "truth"
    folder.mkdir()
    with pytest.raises(GroundTruthError, match=r"no \.png"):
        run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder))
    cv2.imwrite(str(folder / "a.png"), np.zeros((96, 128), np.uint8))
    with pytest.raises(GroundTruthError, match="1 label images for 10 images"):
        run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder))


def test_a_bag_with_two_ground_truths_is_not_scored_but_labelled(tmp_path, engine):
    writer = BagWriter(tmp_path / "bag", [("/cam", IMAGE), ("/labels_a", IMAGE), ("/labels_b", IMAGE)])
    picture = next(pictures(1))
    writer.write("/cam", encode_image(make_header(1, "cam"), picture, "bgr8"), 1)
    for name in ("/labels_a", "/labels_b"):
        writer.write(name, encode_image(make_header(1, "cam"), picture[..., 0] % 3, "mono8"), 1)
    writer.close()
    report = run(tmp_path / "bag", engine, tmp_path / "out")[1]
    assert (report["miou"], report["frames"]["labelled"]) == (None, 1)
    (said,) = report["warnings"]
    assert said.startswith("not scored: /labels_a, /labels_b could each be the ground truth; choose with --ground-tr")


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        (("/front/image", "/rear/image", "/gt/front", "/gt/rear"), "/gt/front, /gt/rear: of which camera? Choose with"),
        (("/front/image", "/rear/image", "/rear/gt"), ""),  # the front camera has none
        (
            ("/front/image", "/front/ground_truth/image"),
            "/front/ground_truth/image has pictures, not class ids (mono8, lossless)",
        ),
    ],
)
def test_ground_truth_that_is_not_taken_is_said(tmp_path, engine, topics, said):
    picture, header = next(pictures(1)), make_header(1, "cam")
    messages = {False: encode_image(header, picture, "bgr8"), True: encode_image(header, picture[..., 0] % 3, "mono8")}
    writer = BagWriter(tmp_path / "bag", [(topic, IMAGE) for topic in topics])
    for topic in topics:
        writer.write(topic, messages["gt" in topic], 1)
    writer.close()
    _, report = run(tmp_path / "bag", engine, tmp_path / "out", image_topic="/front/image")
    assert [text.startswith(f"not scored: {said}") for text in report["warnings"]] == ([True] if said else [])


def test_a_folder_with_label_images_of_one_bit_is_refused(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    (tmp_path / "truth").mkdir()
    for number in range(10):
        Image.fromarray(np.ones((96, 128), bool)).save(tmp_path / "truth" / f"{number}.png")
    with pytest.raises(GroundTruthError, match=r"0\.png: a grey PNG of 1 bits"):
        run(bag, engine, tmp_path / "out", ground_truth_folder=str(tmp_path / "truth"))


def test_a_mapping_without_ground_truth_is_said(tmp_path, engine):
    writer = BagWriter(tmp_path / "bag", [("/cam", IMAGE)])
    writer.write("/cam", encode_image(make_header(1, "cam"), next(pictures(1)), "bgr8"), 1)
    writer.close()
    (tmp_path / "mapping.yaml").write_text("7: road\n")
    report = run(tmp_path / "bag", engine, tmp_path / "out", mapping=str(tmp_path / "mapping.yaml"))[1]
    assert list(report["warnings"]) == ["there is a --mapping, but no ground truth"]
    (tmp_path / "mapping.yaml").write_text("7: boat\n")
    with pytest.raises(GroundTruthError, match="boat"):
        run(tmp_path / "bag", engine, tmp_path / "other", mapping=str(tmp_path / "mapping.yaml"))


def test_a_bag_that_is_damaged_among_its_ground_truth(tmp_path, engine, monkeypatch):
    bag = make_bag(tmp_path / "bag", engine)
    messages = Bag.messages

    def damaged(self, *topics, start=0):
        for message in messages(self, *topics, start=start):
            if message.topic == "/cam/ground_truth" and message.recorded_ns >= 10**9 + 5 * 10**8:
                raise WireError("damaged: the rest cannot be read")
            yield message

    monkeypatch.setattr(Bag, "messages", damaged)
    report = run(bag, engine, tmp_path / "out")[1]
    assert (report["corruption"], report["complete"]) == ("damaged: the rest cannot be read", False)
    assert (report["frames"]["labelled"], report["frames"]["scored"]) == (FRAMES, 5)


def matched(truths, images, tolerance=0.0, part=slice(None)):
    """Which truth each image gets, by content; and the warnings. Both by stamp, recorded in that order."""
    index = TopicIndex(tuple(range(len(truths))), tuple(truths))

    def read(places):
        for place in places:
            labels = np.full((2, 2), place, np.uint8)
            yield place, Message("/truth", encode_image(make_header(truths[place], ""), labels, "mono8"), place)

    warnings = set()
    imaged = TopicIndex(tuple(range(len(images))), tuple(images))
    truth = TopicGroundTruth(index, imaged, read, tolerance, lambda text, _: warnings.add(text))
    found = [truth.of(number, stamp, number) for number, stamp in list(enumerate(images))[part]]
    return [None if labels is None else int(labels[0, 0]) for labels in found], warnings


FAR = 10**15


@pytest.mark.parametrize(
    ("truths", "images", "expected"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), [0, 1, 2, 3]),
        ((1, FAR, 2, 3), (1, 2, 3), [0, 2, 3]),  # one stamp from a clock that was wrong
        ((3, 1, 2), (1, 2, 3), [1, 2, 0]),  # written in another order
        ((10, 20, 30, 10, 20, 30), (10, 20, 30, 10, 20, 30), [0, 1, 2, 3, 4, 5]),  # the clock was set back
        ((5,), range(1, 9), [None] * 4 + [0] + [None] * 3),  # few are annotated
        (range(1, 200), range(150, 153), [149, 150, 151]),  # images begin late
    ],
)
def test_ground_truth_is_found_by_its_stamp(truths, images, expected):
    assert matched(truths, images) == (expected, set())


def test_stamps_that_tell_nothing_match_nothing():
    found, warnings = matched((0, 0, 0), (0, 0, 0))
    assert found == [None] * 3
    assert "images without a stamp" in next(iter(warnings))
    found, warnings = matched((7, 7, 7, 8), (7, 7, 7, 8))
    assert found == [0, None, None, 3]
    assert "consecutive images with the same stamp" in next(iter(warnings))


@given(
    truths=st.lists(st.integers(1, 50), max_size=60),
    images=st.lists(st.integers(1, 50), max_size=60),
    tolerance=st.integers(0, 5),
    first=st.integers(0, 60),
)
def test_matching_is_that_of_a_table_wherever_it_begins(truths, images, tolerance, first):
    """Clocks may go anywhere."""
    images = [stamp for k, stamp in enumerate(images) if k == 0 or stamp != images[k - 1]]
    found, _ = matched(truths, images, tolerance / 1e9, slice(first, None))
    for number, content in zip(range(first, len(images)), found, strict=False):
        # A table of all pairs: a row for each label image, which has the image that it belongs to.
        owner = [min(images, key=lambda stamp: (abs(stamp - truth), stamp)) for truth in truths]
        rows = [(abs(truth - images[number]), abs(place - number), place) for place, truth in enumerate(truths)]
        mine = [row for row in rows if row[0] <= tolerance and owner[row[2]] == images[number]]
        assert content == (min(mine)[2] if mine else None)


def test_labels_at_a_lower_rate_than_images_count_once():
    """Images at 30 Hz, labels of every tenth, 2 ms late: the images beside them are not what the labels show."""
    images, truths = range(10, 1000, 33), range(12, 1000, 330)
    found, warnings = matched(truths, images, tolerance=50e-9)
    assert [number for number, content in enumerate(found) if content is not None] == [0, 10, 20]
    assert not warnings


def test_a_label_image_that_belongs_to_another_image_hides_none():
    """The one at 114 is nearer to the image at 130, but shows that at 100."""
    assert matched((114, 149), (100, 130), tolerance=20e-9)[0] == [0, 1]


def test_the_same_stamp_is_ambiguous_wherever_a_part_begins():
    assert matched((7, 8), (7, 7, 8), part=slice(1, None))[0] == [None, 1]


def test_truth_that_belongs_to_no_image_is_said(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, offset=20_000_000)
    report = run(bag, engine, tmp_path / "out")[1]
    assert "none that belongs to these images; by stamp: see --sync-tolerance" in next(iter(report["warnings"]))


def test_files_numbered_from_one_are_refused(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    folder = truth_folder(bag, tmp_path / "truth", lambda number, _: f"{number + 1:06d}")
    with pytest.raises(GroundTruthError, match="the first image has number 0"):
        run(bag, engine, tmp_path / "out", ground_truth_folder=str(folder))
