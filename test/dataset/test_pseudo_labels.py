"""Predictions of a teacher as files, and sources that have them or show nothing of the classes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.pseudo_labels import SURE, encode, predictions, read_labels, read_probabilities
from icnet_ros.dataset.table import open_dataset

DESCRIPTOR = """
classes: cityscapes
splits:
  train:
    - {{images: images, {}}}
"""


def written(path, probabilities):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(probabilities.astype(np.float32)).tobytes())
    return path


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (4, 5, 6), elements=st.floats(0, 1, width=32)))
def test_the_two_most_probable_classes_and_their_share_are_kept(tmp_path_factory, probabilities):
    first, second, share = np.moveaxis(
        read_probabilities(written(tmp_path_factory.getbasetemp() / "x.png", probabilities), 6), 2, 0
    )
    ranked = np.sort(probabilities, 2)
    for ids, place in ((first, -1), (second, -2)):
        np.testing.assert_array_equal(np.take_along_axis(probabilities, ids[..., None], 2)[..., 0], ranked[..., place])
    assert (first != second).all()
    both = ranked[..., -1] + ranked[..., -2]
    expected = np.divide(ranked[..., -1], both, out=np.zeros_like(both), where=both > 1e-6)
    assert np.abs(share / 255 - expected)[both > 1e-6].max(initial=0) < 1 / 255


def test_a_pixel_is_labelled_where_the_teacher_is_sure(tmp_path):
    probabilities = np.zeros((1, 3, 19))
    probabilities[0, :, 4] = [SURE + 0.01, SURE - 0.01, 0.2]
    probabilities[0, :, 7] = 1 - probabilities[0, :, 4]
    file = written(tmp_path / "x.png", probabilities)
    assert read_labels(19, 255)(file).tolist() == [[4, 255, 7]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((6, 8, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels" / "a.png"), np.full((6, 8), 3, np.uint8))
    probabilities = np.zeros((6, 8, 19))
    probabilities[..., 13], probabilities[:3, :, 0] = 0.1, 0.9
    written(tmp_path / "teacher" / "a.png", probabilities)
    return tmp_path


def opened(folder, source):
    (folder / "dataset.yaml").write_text(DESCRIPTOR.format(source))
    return open_dataset(str(folder / "dataset.yaml"), None, "train")


def test_a_source_has_labels_a_teacher_or_both(folder):
    both = opened(folder, "labels: labels, teacher: teacher")
    assert np.unique(both.labels(0)).tolist() == [3]
    assert np.unique(predictions(both, 0)[..., 0]).tolist() == [0, 13]
    taught = opened(folder, "teacher: teacher")
    assert taught.sources == ("teacher",)
    assert np.unique(taught.labels(0)).tolist() == [0, 13]
    np.testing.assert_array_equal(predictions(taught, 0), predictions(both, 0))
    assert predictions(opened(folder, "labels: labels"), 0) is None


def test_images_that_show_nothing_of_the_classes(folder):
    nothing = opened(folder, "outliers: true")
    image, labels = nothing[0]
    assert image.shape == (6, 8, 3)
    assert (labels == 255).all()
    assert labels.shape == (6, 8)
    assert nothing.pairs[0].outlier


def test_parts_lists_and_missing_files_choose_images_with_a_teacher_and_outliers_too(folder):
    for name in ("b", "c", "d"):
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.zeros((6, 8, 3), np.uint8))
        cv2.imwrite(str(folder / "labels" / f"{name}.png"), np.full((6, 8), 4, np.uint8))
    written(folder / "teacher" / "c.png", np.ones((6, 8, 19)))
    (folder / "list.txt").write_text("c\nd\n")

    def chosen(source):
        return [(pair.image.stem, pair.label.parent.name, pair.teacher) for pair in opened(folder, source).pairs]

    teacher = {name: folder / "teacher" / f"{name}.png" for name in "ac"}
    both = [("a", "labels", teacher["a"]), ("c", "labels", teacher["c"])]
    assert chosen("labels: labels, teacher: teacher, missing_labels: skip") == both
    assert chosen("teacher: teacher, missing_labels: skip, part: [0.5, 1]") == [("c", "teacher", teacher["c"])]
    assert chosen("outliers: true, list: list.txt") == [("c", "images", None), ("d", "images", None)]
    with pytest.raises(DatasetError, match=r"teacher/b\.png: missing label file of .*b\.jpg, and 1 more of 4"):
        opened(folder, "labels: labels, teacher: teacher")


def test_an_outlier_that_the_camera_turned_is_as_large_as_its_picture(folder):
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (8, 6)).save(folder / "images" / "a.jpg", exif=turned)
    image, labels = opened(folder, "outliers: true")[0]
    assert image.shape[:2] == labels.shape == (8, 6)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("outliers: true, missing_labels: skip", "missing_labels describes label files"),
        ("teacher: teacher, label_suffix: _L", "label_suffix describes label files"),
        ("outliers: true, labels: labels", "excludes labels"),
        ("outliers: false", "labels is missing"),
        ("outliers: 1", "true or false"),
        ("teacher: teacher, mapping: {a: road}", "mapping describes label files"),
        ("teacher: nowhere", "no such folder"),
        ("labels: labels, teacher: labels", "three 8-bit channels"),
    ],
)
def test_what_is_wrong_is_said(folder, source, problem):
    with pytest.raises(DatasetError, match=problem):
        predictions(opened(folder, source), 0)


def test_predictions_of_other_classes_or_sizes_are_refused(folder):
    with pytest.raises(DatasetError, match="id 13 is none of the 11 classes"):
        read_probabilities(folder / "teacher" / "a.png", 11)
    written(folder / "teacher" / "a.png", np.random.default_rng(0).random((5, 8, 19)))
    with pytest.raises(DatasetError, match=r"\(5, 8\) predictions for labels of \(6, 8\)"):
        predictions(opened(folder, "labels: labels, teacher: teacher"), 0)
