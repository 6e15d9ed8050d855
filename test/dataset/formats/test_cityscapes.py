"""Layouts of Cityscapes and its relatives: every pixel is what the data set means."""

import numpy as np
import pytest
from exports import HEIGHT, WIDTH, check, converted, ids, picture, put, text

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

CITY = load_classes("cityscapes").names
LABEL_IDS = dict(zip((7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33), CITY, strict=True))


@pytest.mark.parametrize("annotation", ["gtFine", "gtCoarse"])
def test_cityscapes_label_ids(tmp_path, annotation):
    truth = {}
    for split, city in (("train", "ulm"), ("val", "bonn"), ("test", "berlin")):
        stem = f"{city}_000001_000019"
        picture(tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        if split != "test":
            truth[f"{stem}_leftImg8bit"] = ids(range(34))
            labels = tmp_path / annotation / split / city
            put(labels / f"{stem}_{annotation}_labelIds.png", truth[f"{stem}_leftImg8bit"])
            put(labels / f"{stem}_{annotation}_instanceIds.png", ids([0, 1]).astype(np.uint16) * 26001)
    counts, _ = check(tmp_path, truth, LABEL_IDS, "cityscapes")
    assert counts == {"train": 1, "val": 1}


def test_train_ids_of_a_tree(tmp_path):
    truth = {}
    for split in ("train", "val"):
        truth[f"{split}_leftImg8bit"] = ids([*range(19), 255])
        picture(tmp_path / "leftImg8bit" / split / "x" / f"{split}_leftImg8bit.png")
        put(tmp_path / "gtFine" / split / "x" / f"{split}_gtFine_labelTrainIds.png", truth[f"{split}_leftImg8bit"])
    check(tmp_path, truth, dict(enumerate(CITY)), "cityscapes")


def test_cityscapes_polygons(tmp_path):
    """As cityscapesScripts draws them: in order, licence plates not at all, groups as their class."""
    objects = [
        {"label": "road", "polygon": [[0, 0], [15, 0], [15, 11], [0, 11]]},
        {"label": "cargroup", "polygon": [[2, 2], [9, 2], [9, 8], [2, 8]]},
        {"label": "license plate", "polygon": [[3, 3], [5, 3], [5, 5], [3, 5]]},
        {"label": "polegroup", "polygon": [[12, 2], [14, 2], [14, 5], [12, 5]]},
        {"label": "ego vehicle", "polygon": [[0, 10], [15, 10], [15, 11], [0, 11]]},
        {"label": "sky", "deleted": 1, "polygon": [[0, 0], [15, 0], [15, 11]]},
    ]
    expected = np.full((HEIGHT, WIDTH), "road", object)
    expected[2:9, 2:10] = "car"
    expected[2:6, 12:15] = expected[10:] = ""  # polegroup is not evaluated
    for split in ("train", "val"):
        picture(tmp_path / "leftImg8bit" / split / "x" / f"{split}_leftImg8bit.png")
        content = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
        text(tmp_path / "gtFine" / split / "x" / f"{split}_gtFine_polygons.json", content)
    found, counts, _ = converted(tmp_path)
    assert counts == {"train": 1, "val": 1}
    assert np.array_equal(found["val_leftImg8bit"], expected)


def test_panoptic_files_of_cityscapesscripts_lie_beside(tmp_path):
    """csCreatePanopticImgs 2.2.4 writes COCO's form into gtFine, with names of images that are not there."""
    truth = {}
    for split, city in (("train", "ulm"), ("val", "bonn")):
        stem = f"{city}_000001_000019"
        picture(tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        truth[f"{stem}_leftImg8bit"] = ids(range(34))
        put(tmp_path / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png", truth[f"{stem}_leftImg8bit"])
        images = [{"id": stem, "width": WIDTH, "height": HEIGHT, "file_name": f"{stem}_gtFine_leftImg8bit.png"}]
        content = {"images": images, "annotations": [], "categories": [{"id": 7, "name": "road"}]}
        text(tmp_path / "gtFine" / f"cityscapes_panoptic_{split}.json", content)
    check(tmp_path, truth, LABEL_IDS, "cityscapes")


def test_idd(tmp_path):
    """Level 3 ids as its scripts write them, and its polygons."""
    truth, names = {}, {0: "road", 1: "drivable fallback", 8: "autorickshaw", 24: "vegetation", 25: "sky"}
    for split in ("train", "val"):
        truth[f"{split}_leftImg8bit"] = ids([0, 1, 8, 24, 25, 255])
        picture(tmp_path / "leftImg8bit" / split / "0" / f"{split}_leftImg8bit.jpg")
        put(tmp_path / "gtFine" / split / "0" / f"{split}_gtFine_labellevel3Ids.png", truth[f"{split}_leftImg8bit"])
    check(tmp_path, truth, names, "cityscapes")
    (tmp_path / "dataset.yaml").unlink()
    square = [[0, 0], [3, 0], [3, 3], [0, 3]]
    objects = [
        {"label": "billboard", "polygon": square},
        {"label": "parking", "polygon": [[8, 8], [9, 8], [9, 9], [8, 9]]},
    ]
    for split in ("train", "val"):
        (tmp_path / "gtFine" / split / "0" / f"{split}_gtFine_labellevel3Ids.png").unlink()
        content = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
        text(tmp_path / "gtFine" / split / "0" / f"{split}_gtFine_polygons.json", content)
    found, _, _ = converted(tmp_path)
    expected = np.full((HEIGHT, WIDTH), "", object)
    expected[:4, :4], expected[8:10, 8:10] = "billboard", "drivable fallback"
    assert np.array_equal(found["val_leftImg8bit"], expected)


def test_foggy_cityscapes(tmp_path):
    """Each image with three densities of fog, one label file."""
    truth = {}
    for split in ("train", "val"):
        values = ids([0, 7, 26])
        put(tmp_path / "gtFine" / split / "ulm" / f"{split}_gtFine_labelIds.png", values)
        for beta in ("0.005", "0.01", "0.02"):
            stem = f"{split}_leftImg8bit_foggy_beta_{beta}"
            truth[stem] = values
            picture(tmp_path / "leftImg8bit_foggyDBF" / split / "ulm" / f"{stem}.png")
    counts, _ = check(tmp_path, truth, LABEL_IDS, "cityscapes")
    assert counts == {"train": 3, "val": 3}


def test_acdc(tmp_path):
    truth = {}
    for condition in ("fog", "night"):
        for split in ("train", "val"):
            stem = f"{condition}_{split}_000001"
            truth[f"{stem}_rgb_anon"] = ids([0, 7, 23])
            picture(tmp_path / "rgb_anon" / condition / split / "GOPR01" / f"{stem}_rgb_anon.png")
            put(tmp_path / "gt" / condition / split / "GOPR01" / f"{stem}_gt_labelIds.png", truth[f"{stem}_rgb_anon"])
    _, done = check(tmp_path, truth, LABEL_IDS, "acdc")
    assert open_dataset(str(done.file), None, "train").sources == ("fog", "night")


def test_kitti(tmp_path):
    truth = {f"00000{k}_10": ids(range(34)) for k in range(5)}
    for stem, values in truth.items():
        picture(tmp_path / "training" / "image_2" / f"{stem}.png")
        put(tmp_path / "training" / "semantic" / f"{stem}.png", values)
    counts, _ = check(tmp_path, truth, LABEL_IDS, "kitti")
    assert counts == {"train": 4, "val": 1}


def test_kitti_360(tmp_path):
    """Its own ids from 34: garage, gate and smallpole belong to evaluated classes."""
    truth, lists = {}, {"train": [], "val": []}
    for number, split in enumerate(("train", "val")):
        drive, stem = f"2013_05_28_drive_000{number}_sync", f"000000025{number}"
        truth[stem] = ids([0, 7, 34, 35, 36, 37, 44])
        image, label = f"{drive}/image_00/data_rect/{stem}.png", f"train/{drive}/image_00/semantic/{stem}.png"
        picture(tmp_path / "data_2d_raw" / image)
        put(tmp_path / "data_2d_semantics" / label, truth[stem])
        lists[split].append(f"data_2d_raw/{image} data_2d_semantics/{label}\n")
        picture(tmp_path / "data_2d_raw" / drive / "image_00" / "data_rect" / "0000009999.png")
    names = LABEL_IDS | {34: "building", 35: "fence", 37: "pole"}
    check(tmp_path, truth, names, "kitti-360")
    (tmp_path / "dataset.yaml").unlink()
    for split, lines in lists.items():
        text(tmp_path / "data_2d_semantics" / "train" / f"2013_05_28_drive_{split}_frames.txt", "".join(lines))
    counts, _ = check(tmp_path, truth, names, "kitti-360")
    assert counts == {"train": 1, "val": 1}


def test_cvats_export_in_cityscapes_tree_is_refused(tmp_path):
    """It numbers the labels of the task: 7 need not be road (datumaro 1.13.12)."""
    picture(tmp_path / "leftImg8bit" / "default" / "a_leftImg8bit.png")
    put(tmp_path / "gtFine" / "default" / "a_gtFine_labelIds.png", ids([0, 1]))
    text(tmp_path / "label_colors.txt", "0 0 0 background\n")
    with pytest.raises(DatasetError, match="number the labels of the task, not those of Cityscapes"):
        convert(tmp_path)
