"""Which files belong together: suffixes, patterns, lists, parts, and what is left out."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from exports import picture, put, text
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.table import FORMATS
from icnet_ros.dataset.table import open_dataset

LABELS = np.zeros((12, 16), np.uint8)


def dataset(folder, *sources, bom=False):
    content = yaml.safe_dump({"classes": "cityscapes", "splits": {"train": list(sources)}})
    (folder / "dataset.yaml").write_text("\ufeff" * bom + content)
    return open_dataset(str(folder), None, "train")


def names(data):
    return [(pair.image.name, pair.label.name) for pair in data.pairs]


def test_a_suffix_and_one_folder_for_both(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "all" / f"{name}.png")
        put(tmp_path / "all" / f"{name}_mask.png", LABELS)
    data = dataset(tmp_path, {"images": "all", "labels": "all", "label_suffix": "_mask"}, bom=True)
    assert names(data) == [("a.png", "a_mask.png"), ("b.png", "b_mask.png")]


def test_parts_of_the_path_are_replaced(tmp_path):
    picture(tmp_path / "ulm" / "camera" / "1_camera_front.png")
    put(tmp_path / "ulm" / "label" / "1_label_front.png", LABELS)
    source = {"images": ".", "labels": ".", "pattern": "*/camera/*", "label_pattern": {"camera": "label"}}
    assert names(dataset(tmp_path, source)) == [("1_camera_front.png", "1_label_front.png")]


def test_every_kind_of_image_and_what_is_left_out(tmp_path):
    kinds = ("bmp", "webp", "tif", "jpg", "ppm")
    for kind in kinds:
        picture(tmp_path / "images" / f"{kind}.{kind}")
        put(tmp_path / "labels" / f"{kind}.png", LABELS)
    picture(tmp_path / "images" / ".hidden.jpg")
    text(tmp_path / "images" / "x.heic", "")
    text(tmp_path / "images" / "notes.txt", "")
    data = dataset(tmp_path, {"images": "images", "labels": "labels"})
    assert {pair.image.suffix[1:] for pair in data.pairs} == set(kinds)
    assert data.notes == (f"{tmp_path}/images: left out 1 .heic",)
    assert data[0][0].shape == (12, 16, 3)


def test_images_without_labels_are_an_error_or_left_out(tmp_path):
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.jpg")
    put(tmp_path / "labels" / "b.png", LABELS)
    source = {"images": "images", "labels": "labels"}
    with pytest.raises(
        DatasetError, match=r"a\.png: missing label file of .*, and 1 more of 3; `missing_labels: skip`"
    ):
        dataset(tmp_path, source)
    data = dataset(tmp_path, {**source, "missing_labels": "skip"})
    assert names(data) == [("b.jpg", "b.png")]
    assert data.notes == (f"{tmp_path}/images: 2 images without a label file, e.g. a.jpg",)


def test_lists_and_parts(tmp_path):
    for number in range(5):
        picture(tmp_path / "images" / "cam" / f"{number}.jpg")
        put(tmp_path / "labels" / "cam" / f"{number}.png", LABELS)
    text(tmp_path / "names.txt", "\ufeffcam/3\n\n/cam/1.jpg\ncam/0.jpg labels/cam/0.png\n")
    source = {"images": "images", "labels": "labels", "pattern": "**/*"}
    listed = dataset(tmp_path, {**source, "list": "names.txt"})
    assert [pair.image.stem for pair in listed.pairs] == ["0", "1", "3"]
    first, last = (dataset(tmp_path, {**source, "part": part}) for part in ([0, 0.8], [0.8, 1]))
    assert [pair.image.stem for pair in (*first.pairs, *last.pairs)] == ["0", "1", "2", "3", "4"]
    assert len(last) == 1
    text(tmp_path / "names.txt", "cam/9\n")
    with pytest.raises(DatasetError, match=r"names\.txt: no image 'cam/9' in .*images, and 0 more"):
        dataset(tmp_path, {**source, "list": "names.txt"})


def test_two_images_are_one_for_each_part(tmp_path):
    for number in range(2):
        picture(tmp_path / "images" / f"{number}.jpg")
        put(tmp_path / "labels" / f"{number}.png", LABELS)
    source = {"images": "images", "labels": "labels"}
    assert [len(dataset(tmp_path, {**source, "part": part})) for part in ([0, 0.8], [0.8, 1], [0, 0.01])] == [1, 1, 1]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"part": [0.5]}, r"part is \[0\.5\], it takes two shares of the images"),
        ({"part": [0.9, 0.1]}, "it takes two shares"),
        ({"others": "drop"}, "others is 'drop', it takes ignore"),
        ({"encoding": "rgb"}, "encoding is 'rgb', it takes auto or ids or grey or colours or red"),
        ({"missing_labels": True}, "missing_labels is True, it takes error or skip"),
        ({"label_pattern": "x"}, "label_pattern is 'x'"),
        ({"label_suffix": 7}, "label_suffix is 7, it must be a string"),
        ({"reduce_zero_label": "yes"}, "reduce_zero_label is 'yes', it takes true or false"),
        ({"made_from": "x.json"}, "made_from is 'x.json'"),
        ({"labelmap": {"road": [1, 2]}}, r"the colour of road is \[1, 2\], it takes"),
        ({"images": "deep"}, r'lies deeper: pattern: "\*\*/\*" takes subfolders'),
    ],
)
def test_what_is_wrong_is_said(tmp_path, source, problem):
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "deep" / "cam" / "a.jpg")
    put(tmp_path / "labels" / "a.png", LABELS)
    with pytest.raises(DatasetError, match=problem):
        dataset(tmp_path, {"images": "images", "labels": "labels", **source})


def test_grey_that_is_stored_as_colours_is_explained(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.full((12, 16, 3), 5, np.uint8)).save(tmp_path / "labels" / "a.png")
    source = {"images": "images", "labels": "labels"}
    with pytest.raises(DatasetError, match="its channels are equal: if it holds class ids, add `encoding: ids`"):
        dataset(tmp_path, source).labels(0)
    assert (dataset(tmp_path, {**source, "encoding": "ids"}).labels(0) == 5).all()


def test_a_folder_without_a_dataset_yaml_is_explained(tmp_path):
    with pytest.raises(DatasetError, match=r"has no dataset\.yaml; `icnet dataset convert"):
        open_dataset(str(tmp_path), None, "train")


def test_the_page_names_all_formats():

    text = (Path(__file__).parents[2] / "docs" / "labels" / "index.md").read_text()
    table = {
        name.strip(" `")
        for line in text.splitlines()
        if line.startswith("| `")
        for name in line.split("|")[1].split(",")
    }
    assert set(FORMATS) <= table
