"""Datasets that a YAML file describes."""

import cv2
import numpy as np
import pytest
import yaml

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.table import open_dataset

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (6, 8, 3), np.uint8)


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def folder(tmp_path):
    for name, size in (("day_1", 8), ("day_2", 8), ("night_1", 16)):
        put(tmp_path / "images" / f"{name}.jpg", np.zeros((6, size, 3), np.uint8))
        put(tmp_path / "ids" / f"{name}.png", RNG.integers(0, 19, (6, size), np.uint8))
    put(tmp_path / "more" / "x.png", IMAGE)
    put(tmp_path / "more_ids" / "x.png", np.full((6, 8), 255, np.uint8))
    return tmp_path


def write(folder, content):
    path = folder / "dataset.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def described(folder, *sources, **more):
    return write(folder, {"classes": "cityscapes", "splits": {"train": list(sources)}, **more})


DAY = {"name": "day", "images": "images", "labels": "ids", "pattern": "day_*"}
NIGHT = {"name": "night", "images": "images", "labels": "ids", "pattern": "night_*", "repeat": 3}
MORE = {"images": "more", "labels": "more_ids"}


def test_sources_are_mixed_and_repeated(folder):
    data = open_dataset(described(folder, DAY, NIGHT, MORE, name="mine", licence="CC0"), None, "train")
    assert (data.name, data.licence, data.classes) == ("mine", "CC0", load_classes("cityscapes"))
    assert [pair.image.stem for pair in data.pairs] == ["day_1", "day_2", *["night_1"] * 3, "x"]
    assert data.sources == ("day", "night", "more_ids")
    assert data[2][0].shape == (6, 16, 3)
    assert (data[5][1] == 255).all()
    assert [pair.source for pair in data.select_sources(["night"]).pairs] == ["night"] * 3
    assert data.select_sources(without=["night", "day"]).sources == ("more_ids",)
    assert [pair.image.stem for pair in data.subsample(2).pairs] == ["day_1", "x"]
    assert len(data.subsample(0)) == 4  # each image once
    with pytest.raises(DatasetError, match="no source 'dusk'; it has day, night, more_ids"):
        data.select_sources(["dusk"])
    with pytest.raises(DatasetError, match="no source is left"):
        data.select_sources(["day"], ["day"])


def test_paths_are_relative_to_the_root_that_is_given(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    file = described(elsewhere, DAY)
    with pytest.raises(DatasetError, match="no such folder"):
        open_dataset(file, None, "train")
    assert len(open_dataset(file, folder, "train")) == 2


def test_a_class_table_of_ones_own(folder):
    table = {"name": "two", "classes": [{"name": "a", "colour": [0, 0, 0]}, {"name": "b", "colour": [1, 1, 1]}]}
    (folder / "two.yaml").write_text(yaml.safe_dump(table))
    data = open_dataset(described(folder, DAY, classes="two.yaml"), None, "train")
    assert data.classes.names == ("a", "b")
    with pytest.raises(DatasetError, match=r"ids.day_1\.png: id \d+ is none of the 2 classes"):
        data[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- 1", "not a mapping of name, classes"),
        ("a: [", "while parsing"),
        ({"splits": {}}, "classes is missing"),
        ({"classes": "cityscapes"}, "splits is missing"),
        ({"classes": "mars", "splits": {"train": []}}, "no class table 'mars'"),
        ({"classes": "cityscapes", "splits": {"val": [DAY]}}, "no split 'train'; it has val"),
        ({"classes": "cityscapes", "splits": {"train": []}}, "split train has no source"),
        ({"classes": "cityscapes", "splits": [1]}, "splits is not"),
        ({"classes": "cityscapes", "splits": {"train": [7]}}, "source 1 of train: not a mapping"),
        (
            {"classes": "cityscapes", "splits": {"train": [DAY, {"images": "a"}]}},
            "source 2 of train: labels is missing",
        ),
        ({"classes": "cityscapes", "splits": {"train": [{**DAY, "repeat": 0}]}}, "repeat is 0"),
        ({"classes": "cityscapes", "splits": {"train": [{**DAY, "repaet": 2}]}}, "no entry 'repaet'"),
        ({"classes": "cityscapes", "splits": {"train": [{**DAY, "images": 3}]}}, "images is 3"),
        ({"classes": "cityscapes", "splits": {"train": [{**DAY, "pattern": "x_*"}]}}, r"no x_\* images"),
        ({"clases": "cityscapes"}, "no entry 'clases'"),
    ],
)
def test_what_is_wrong_is_said(folder, content, problem):
    with pytest.raises(DatasetError, match=problem) as caught:
        open_dataset(write(folder, content), None, "train")
    assert str(folder) in str(caught.value)


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere\.yaml"):
        open_dataset(str(tmp_path / "nowhere.yaml"), None, "train")
    with pytest.raises(DatasetError, match=r"there are camvid, .*street"):
        open_dataset("mars", None, "train")
    with pytest.raises(DatasetError, match="'street' needs --root"):
        open_dataset("street", None, "train")


def test_the_descriptor_of_the_shared_street_images(shared):
    data = open_dataset(str(shared / "data/street/dataset.yaml"), None, "train")
    named = open_dataset("street", shared / "data/street", "train")
    images = {pair.image.resolve() for pair in data.pairs}
    assert images == {pair.image.resolve() for pair in named.pairs}
    assert named.sources == ("city", "idd", "facade", "kitti", "camvid")
    assert named[0][1].max() <= 255


def test_the_mix_of_the_shipped_camvid_model(shared):
    data = open_dataset("camvid_street", shared / "data", "train")
    assert data.sources == ("camvid", "street")
    street = data.select_sources(["street"])
    cityscapes = open_dataset("street", shared / "data/street", "train")
    by_name = {pair.image.name: number for number, pair in enumerate(cityscapes.pairs)}
    for number in (0, len(street) // 2, len(street) - 1):
        folded = street.labels(number)
        before = cityscapes.labels(by_name[street.pairs[number].image.name])
        names = [*cityscapes.classes.names, *["ignore"] * (256 - len(cityscapes.classes))]
        assert (folded[before == names.index("vegetation")] == data.classes.names.index("tree")).all()
        assert (folded[before == names.index("wall")] == data.classes.ignore).all()
    alone = open_dataset("camvid", shared / "data/camvid", "val")
    mixed = open_dataset("camvid_street", shared / "data", "val")
    assert len(alone) == len(mixed) == 101
    assert (alone.labels(50) == mixed.labels(50)).all()
