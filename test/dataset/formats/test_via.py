"""VGG Image Annotator: made by hand as the source of its version 2 has it, as it is a page for browsers."""

import numpy as np
import pytest
from exports import HEIGHT, WIDTH, converted, picture, text

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert

SQUARE = {"name": "polygon", "all_points_x": [2, 9, 9, 2], "all_points_y": [1, 1, 6, 6]}
RECT = {"name": "rect", "x": 8, "y": 4, "width": 4, "height": 5}
CIRCLE = {"name": "circle", "cx": 13, "cy": 9, "r": 2}
ELLIPSE = {"name": "ellipse", "cx": 4, "cy": 9, "rx": 3, "ry": 1, "theta": np.pi / 2}
LINE = {"name": "polyline", "all_points_x": [0, 3], "all_points_y": [0, 3]}


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name, regions):
    return {name + "1234": {"filename": name, "size": 1234, "regions": regions, "file_attributes": {}}}


def truth(*shapes):
    """Names of pixels, later shapes on top; a pixel belongs to a shape if its centre is inside."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    found = np.full((HEIGHT, WIDTH), "", object)
    for shape, name in shapes:
        if shape is SQUARE:
            found[1:6, 2:9] = name
        elif shape is RECT:
            found[4:9, 8:12] = name
        elif shape is CIRCLE:
            found[(columns - 13) ** 2 + (rows - 9) ** 2 <= 4] = name
        else:
            found[(rows - 9) ** 2 / 9 + (columns - 4) ** 2 <= 1] = name
    return found


@pytest.mark.parametrize("kind", ["project", "annotations", "version 1"])
def test_shapes_of_via(tmp_path, kind):
    regions = [region(SQUARE, kind="way"), region(RECT, kind="tree"), region(LINE, kind="way")]
    regions += [region(CIRCLE, kind="way"), region(ELLIPSE, kind="tree")]
    content = {}
    for name in ("a.jpg", "b.jpg", "empty.jpg", "absent.jpg"):
        picture(tmp_path / name) if name != "absent.jpg" else None
        stored = regions if name != "empty.jpg" else []
        content |= entry(name, dict(enumerate(stored)) if kind == "version 1" else stored)
    if kind == "project":
        content = {
            "_via_settings": {},
            "_via_img_metadata": content,
            "_via_attributes": {},
            "_via_data_format_version": 2,
        }
    text(tmp_path / "via.json", content)
    found, _, done = converted(tmp_path)
    assert done.format.name == "via"
    expected = truth((SQUARE, "way"), (RECT, "tree"), (CIRCLE, "way"), (ELLIPSE, "tree"))
    assert list(found) == ["a", "b"]
    assert np.array_equal(found["a"], expected)
    notes = " ".join(done.notes)
    assert "3 points and lines" in notes
    assert "empty.jpg" in notes
    assert "absent.jpg" in notes


def test_a_file_in_the_folder_of_each_split_and_checkboxes(tmp_path):
    """As the tutorials of Mask R-CNN lay it out."""
    for split, name in (("train", "way"), ("val", "tree")):
        picture(tmp_path / split / "a.jpg")
        regions = [region(SQUARE, what={name: True, "other": False}, note=""), region(RECT, what={"tree": True})]
        text(tmp_path / split / "via_region_data.json", entry("a.jpg", regions))
    _, counts, done = converted(tmp_path)
    assert counts == {"train": 1, "val": 1}
    assert done.file.read_text().count("name: tree") == 1


def test_regions_without_attributes_are_one_class(tmp_path):
    """As in the balloons of Mask R-CNN: the rest is background."""
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)
    text(tmp_path / "via.json", entry("a.jpg", [region(SQUARE)]) | entry("b.jpg", [region(RECT)]))
    found, _, _ = converted(tmp_path)
    assert np.array_equal(found["a"], np.where(truth((SQUARE, "object")) == "", "background", "object"))


@pytest.mark.parametrize(
    ("attributes", "advice"),
    [
        (
            [{"kind": "way", "state": "wet"}, {"kind": "tree", "state": "dry"}],
            "attributes kind, state: which is the class",
        ),
        ([{"kind": "way"}, {"kind": ""}], r"a\.jpg: a polygon has no kind"),
    ],
)
def test_a_class_that_cannot_be_known_is_refused(tmp_path, attributes, advice):
    picture(tmp_path / "a.jpg")
    text(tmp_path / "via.json", entry("a.jpg", [region(SQUARE, **one) for one in attributes]))
    with pytest.raises(DatasetError, match=advice):
        convert(tmp_path)
