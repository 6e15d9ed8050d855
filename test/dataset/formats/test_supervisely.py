"""What Supervisely's SDK writes beside its own projects: as read of files that supervisely 6.73.582 wrote."""

import base64
import zlib

import numpy as np
from exports import HEIGHT, WIDTH, converted, picture, png, text

from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset


def test_coco_of_a_folder_for_each_split(tmp_path):
    """DATASET/annotations beside DATASET/images, as supervisely 6.73.582 writes COCO; the names may be the same."""
    for split, size in (("train", 4), ("val", 6)):
        square = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, size, 0, size, size, 0, size]]}
        images = [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
        content = {"images": images, "annotations": [square], "categories": [{"id": 1, "name": "road"}]}
        text(tmp_path / split / "annotations" / "instances.json", content)
        picture(tmp_path / split / "images" / "a.png")
    convert(tmp_path)
    for split, size in (("train", 4), ("val", 6)):
        labels = open_dataset(str(tmp_path), None, split).labels(0)
        assert (labels != 0).sum() == size**2


def test_the_background_that_superviselys_sdk_adds_is_no_class(tmp_path):
    """`Project.to_segmentation_task` of supervisely 6.73.582 gives every pixel without a label the class __bg__."""
    whole, part = np.full((HEIGHT, WIDTH), 255, np.uint8), np.full((3, 4), 255, np.uint8)
    objects = [
        {"classTitle": name, "geometryType": "bitmap", "bitmap": {"data": stored, "origin": place}}
        for name, mask, place in (("__bg__", whole, [0, 0]), ("road", part, [2, 5]), ("tree", part, [9, 9]))
        for stored in [base64.b64encode(zlib.compress(png(mask))).decode()]
    ]
    for name in "ab":
        picture(tmp_path / "train" / "img" / f"{name}.png")
        annotation = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": objects, "tags": []}
        text(tmp_path / "train" / "ann" / f"{name}.png.json", annotation)
    titles = (("road", "#804080"), ("tree", "#6B8E23"), ("__bg__", "#000000"))
    classes = [{"title": title, "shape": "bitmap", "color": colour} for title, colour in titles]
    text(tmp_path / "meta.json", {"classes": classes, "tags": []})
    expected = np.full((HEIGHT, WIDTH), "", object)
    expected[5:8, 2:6], expected[9:12, 9:13] = "road", "tree"
    assert np.array_equal(converted(tmp_path)[0]["a"], expected)
    expected[expected == ""] = "soil"
    assert np.array_equal(converted(tmp_path, background="soil", overwrite=True)[0]["a"], expected)
