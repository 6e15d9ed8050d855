"""Predictions for annotation tools: what is written, read back, is what was predicted."""

import json
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
import yaml

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.command.main import app
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.formats.raster import polygon
from icnet_ros.dataset.table import open_dataset
from icnet_ros.report.annotation.base import Prelabelled
from icnet_ros.report.annotation.regions import label_studio_rle, outlines
from icnet_ros.report.annotation.table import WRITERS, open_writer
from icnet_ros.report.errors import AnnotationError

CLASSES = ClassTable("yard", ("road", "tree", "sky"), ((128, 64, 128), (107, 142, 35), (70, 130, 180)))
SCORES = {"a": 0.9, "b": 0.3, "c": None, "d": 0.6}


def labels(seed, unlabelled=True):
    """Regions inside regions, a diagonal border, some unlabelled."""
    rng = np.random.default_rng(seed)
    found = np.zeros((48, 64), np.uint8)
    found[:20] = 2
    cv2.fillPoly(found, [np.array([(5, 4), (40, 8), (30, 40)]) + rng.integers(0, 10, 2)], 1)
    found[18:26, 22:32] = 0
    found[21:24, 25:29] = 2
    if unlabelled:
        found[40:, :30] = 255
    return found


@pytest.fixture
def written(request, tmp_path):
    writer = open_writer(request.param, tmp_path / "annotation", "drive", CLASSES)
    for number, (name, score) in enumerate(SCORES.items()):
        content = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
        writer.add(Prelabelled(name, ".jpg", content, labels(number), score))
    writer.close()
    return writer.folder


def read_back(folder):
    """Label maps by name, from the export as `icnet dataset convert` reads it; ids of CLASSES."""
    convert(folder, overwrite=True)
    found = {}
    for split in ("train", "val"):
        data = open_dataset(str(folder / "dataset.yaml"), None, split)
        table = np.full(256, 255, np.uint8)
        table[: len(data.classes)] = [CLASSES.names.index(name) for name in data.classes.names]
        found |= {pair.image.stem: table[data.labels(index)] for index, pair in enumerate(data.pairs)}
    return found


@pytest.mark.parametrize("written", WRITERS, indirect=True)
def test_what_is_written_is_what_was_predicted(written):
    if (tasks := written / "tasks.json").is_file():  # somebody accepts the predictions
        content = json.loads(tasks.read_text())
        for task in content:
            task["annotations"] = task.pop("predictions")
        tasks.write_text(json.dumps(content))
    found = read_back(written)
    assert found.keys() == SCORES.keys()
    for number, name in enumerate(SCORES):
        assert np.array_equal(found[name], labels(number)), name


@pytest.mark.parametrize("written", ["label-studio", "coco", "segments-ai"], indirect=True)
def test_the_worst_come_first(written):
    (file,) = {*written.glob("tasks.json"), *written.glob("annotations/*.json"), *written.glob("release.json")}
    content = json.loads(file.read_text())
    if isinstance(content, list):
        names = [task["data"]["image"].rpartition("/")[2] for task in content]
        assert [task["predictions"][0].get("score") for task in content] == [0.3, 0.6, 0.9, None]
    elif "images" in content:
        names = [image["file_name"] for image in content["images"]]
    else:
        names = [sample["name"] for sample in content["dataset"]["samples"]]
    assert names == ["b.jpg", "d.jpg", "a.jpg", "c.jpg"]


@pytest.mark.parametrize("written", ["label-studio"], indirect=True)
def test_label_studios_configuration_has_the_classes(written):
    root = ET.fromstring((written / "label_config.xml").read_text())
    assert [(one.get("value"), one.get("background")) for one in root.iter("Label")] == [
        ("road", "#804080"), ("tree", "#6b8e23"), ("sky", "#4682b4"),
    ]  # fmt: skip
    (task, *_) = json.loads((written / "tasks.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=annotation/images/b.jpg"


# As CVAT writes it after an import of the export, with datumaro 1.13.12: sorted names, a label more.
RETURNED = """# label:color_rgb:parts:actions
background:0,0,0::
road:128,64,128::
sky:70,130,180::
tree:107,142,35::
"""


@pytest.mark.parametrize("written", ["cvat"], indirect=True)
def test_what_cvat_gives_back_fits_the_dataset_yaml(written):
    assert (written / "labelmap.txt").read_text().splitlines()[1] == "background:0,0,0::"
    (written / "labelmap.txt").write_text(RETURNED)
    (written / "SegmentationClass" / "c.png").unlink()  # nobody labelled it
    data = open_dataset(str(written), None, "train")
    assert np.array_equal(data[0][1], labels(0))
    assert [pair.image.stem for pair in data.pairs] == ["a", "b", "d"]
    (written / "labelmap.txt").write_text(RETURNED.replace("background:0,0,0::\n", ""))
    assert any(
        "mapping has background, the labelmap does not" in note
        for note in open_dataset(str(written), None, "train").notes
    )
    (written / "labelmap.txt").write_text(RETURNED + "kerb:1,2,3::\n")
    with pytest.raises(DatasetError, match=r"class 'kerb' of the label files .* say in mapping what it becomes"):
        open_dataset(str(written), None, "train")


@pytest.mark.parametrize("written", ["cvat"], indirect=True)
def test_unlabelled_pixels_belong_to_no_object(written):
    """CVAT makes an annotation of each object; without SegmentationObject, of unlabelled pixels, too."""
    objects = cv2.imread(str(written / "SegmentationObject" / "a.png"))
    codes = objects.astype(int) @ [1, 256, 65536]
    assert ((codes == 0) == (labels(0) == 255)).all()
    for class_id in range(3):
        assert len(np.unique(codes[labels(0) == class_id])) == 1
    assert len(np.unique(codes)) == 4


def test_a_class_may_be_called_background_or_be_black(tmp_path):
    table = ClassTable("t", ("background", "crop"), ((0, 0, 0), (0, 255, 0)))
    writer = open_writer("cvat", tmp_path / "x", "drive", table)
    content = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    ids = np.array([[0, 1], [255, 1]], np.uint8)
    writer.add(Prelabelled("a", ".png", content, ids))
    writer.close()
    assert (tmp_path / "x" / "labelmap.txt").read_text().splitlines()[1:] == [
        "unlabelled:0,0,255::", "background:0,0,0::", "crop:0,255,0::",
    ]  # fmt: skip
    assert np.array_equal(open_dataset(str(tmp_path / "x"), None, "val").labels(0), ids)


def test_a_class_whose_name_cvat_cannot_have_is_refused(tmp_path):
    table = ClassTable("two", ("road", "sign: stop"), ((1, 2, 3), (4, 5, 6)))
    with pytest.raises(AnnotationError, match="cannot have 'sign: stop': rename it"):
        open_writer("cvat", tmp_path / "x", "drive", table)


def test_outlines_leave_out_specks_and_draw_large_regions_first():
    found = np.zeros((30, 30), np.uint8)
    found[5, 5] = 1
    found[10:20, 10:20] = 1
    assert [(one.class_id, one.area) for one in outlines(found, 2, between=False)] == [(0, 900), (1, 100)]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_of_label_studio(share):
    from icnet_ros.dataset.formats.raster import label_studio_rle as decode

    mask = np.random.default_rng(0).random((150, 170)) < share
    assert np.array_equal(decode(label_studio_rle(mask), 150, 170), mask)


def test_segment_writes_for_a_tool(tmp_path, model):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("one.jpg", "two.png", "two.jpg"):
        cv2.imwrite(str(tmp_path / "photos" / name), rng.integers(0, 256, (97, 130, 3), np.uint8))
    words = [
        "segment",
        tmp_path / "photos",
        "-o",
        tmp_path / "out",
        "--model",
        model,
        "--engine",
        "torch",
        "--export-for",
    ]
    app([str(word) for word in (*words, "coco")], standalone_mode=False)
    content = json.loads((tmp_path / "out/annotation/annotations/instances_default.json").read_text())
    assert len(content["images"]) == 3
    assert [one["name"] for one in content["categories"]] == ["road", "car", "sky"]
    assert (tmp_path / "out" / "annotation" / "images" / "default" / "two_png.png").is_file()
    with pytest.raises(AnnotationError, match="'cvta'; there are cvat, label-studio"):
        app([str(word) for word in (*words, "cvta")], standalone_mode=False)


def test_the_dataset_yaml_of_an_export_is_plain(tmp_path):
    writer = open_writer("cvat", tmp_path / "x", "drive", CLASSES)
    writer.close()
    assert yaml.safe_load((tmp_path / "x" / "dataset.yaml").read_text())["splits"]["train"][0]["mapping"] == {
        "background": "ignore"
    }


@pytest.mark.parametrize("rule", ["centre", "pillow"])
@pytest.mark.parametrize("seed", range(4))
def test_regions_in_regions_and_at_corners_are_all_there(rule, seed):
    """A region in a hole of its own class, and two classes that cross at a corner, got another class."""
    ids = np.random.default_rng(seed).integers(0, 3, (12, 16)).astype(np.uint8).repeat(4, 0).repeat(5, 1)
    ids[8:28, 8:40] = seed % 3
    ids[12:24, 12:32], ids[16:20, 16:26] = (seed + 1) % 3, ids[8, 8]
    ids[40:, 40], ids[47, 4:30] = 2, 1  # one pixel wide
    found = np.full(ids.shape, 255, np.uint8)
    for one in outlines(ids, 3, between=rule == "centre", smallest=1):
        found[polygon([one.points], *ids.shape, rule)] = one.class_id
    assert np.array_equal(found, ids)
