"""Exports of labelling tools as regions, which are drawn: every pixel is what the tool means."""

import base64
import zlib

import numpy as np
import pytest
import yaml
from exports import HEIGHT, WIDTH, converted, ids, picture, png, put, text
from PIL import ExifTags, Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

# Label Studio


def label_studio_brush(mask):
    """RLE of a mask as Label Studio writes it: RGBA values, here each as one run of its own."""
    values = np.repeat(np.where(mask, 255, 0).astype(np.uint8).reshape(-1), 4)
    bits = [f"{len(values):032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in (4, 8, 12, 16))]
    for start in range(0, len(values), 16):
        run = values[start : start + 16]
        if (run == run[0]).all():
            bits += ["1", "00", f"{len(run) - 1:04b}", f"{run[0]:08b}"]
        else:
            bits += ["0", "01", f"{len(run) - 1:08b}", *(f"{value:08b}" for value in run)]
    joined = "".join(bits)
    joined += "0" * (-len(joined) % 8)
    return [int(joined[k : k + 8], 2) for k in range(0, len(joined), 8)]


def region(kind, label, **value):
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"type": f"{kind}labels", "value": {**value, f"{kind}labels": [label]}, **size}


def test_label_studio(tmp_path):
    """Brush, polygon, rectangle and ellipse; later regions cover earlier ones."""
    brush = ids([0, 1]) > 0
    results = [
        region("brush", "tree", format="rle", rle=label_studio_brush(brush)),
        region("polygon", "road", points=[[25, 25], [75, 25], [75, 75], [25, 75]]),
        region("rectangle", "sky", x=0, y=0, width=50, height=50, rotation=0),
        region("ellipse", "tree", x=75, y=75, radiusX=12.5, radiusY=16.7, rotation=0),
    ]
    expected = np.where(brush, "tree", "")
    expected[3:9, 4:12] = "road"
    expected[:6, :8] = "sky"
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    expected[((columns - 12) / 2) ** 2 + ((rows - 9) / 2.004) ** 2 <= 1] = "tree"
    tasks = [
        {"id": 1, "annotations": [{"result": results}], "data": {"image": "/data/upload/1/0a1b2c3d-street.png"}},
        {"id": 2, "annotations": [{"result": results[1:2]}], "data": {"image": "/data/local-files/?d=cam/b%20c.png"}},
        {"id": 3, "annotations": [{"was_cancelled": True, "result": []}], "data": {"image": "s3://x/skipped.png"}},
        {"id": 4, "annotations": [{"result": results[1:2]}], "data": {"image": "s3://x/gone.png"}},
    ]
    for path in ("street.png", "cam/b c.png", "skipped.png"):
        picture(tmp_path / path)
    text(tmp_path / "project-1.json", tasks)
    found, _, done = converted(tmp_path)
    assert done.format.name == "label-studio"
    assert set(found) == {"street", "b c"}
    assert np.array_equal(found["street"], expected)
    assert (found["b c"][3:9, 4:12] == "road").all()
    assert "/gone.png: not there" in done.notes


def test_predictions_alone_are_no_labels_of_label_studio(tmp_path):
    picture(tmp_path / "a.jpg")
    text(tmp_path / "tasks.json", [{"data": {"image": "a.jpg"}, "predictions": [{"result": []}]}])
    with pytest.raises(DatasetError, match="count when they are submitted in Label Studio"):
        convert(tmp_path)


def test_label_studio_turned_rectangle(tmp_path):
    """Around its upper left corner, clockwise."""
    turned = region("rectangle", "road", x=50, y=0, width=50, height=25, rotation=90)
    other = region("rectangle", "sky", x=75, y=50, width=25, height=50, rotation=0)
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    text(
        tmp_path / "p.json", [{"annotations": [{"result": [turned, other]}], "data": {"img": f"{n}.png"}} for n in "ab"]
    )
    found, _, _ = converted(tmp_path)
    expected = np.full((HEIGHT, WIDTH), "", object)
    expected[:8, 5:8] = "road"
    expected[6:, 12:] = "sky"
    assert np.array_equal(found["a"], expected)


def test_label_studio_photographs_that_the_camera_turned(tmp_path):
    """A browser shows them upright, so do we; an annotation without a region, "no road here", has no size."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    tasks = []
    for number, name in enumerate("abc"):
        Image.new("RGB", (HEIGHT, WIDTH)).save(tmp_path / f"{name}.jpg", exif=turned)
        square = region("polygon", "road", points=[[0, 0], [50, 0], [50, 50], [0, 50]])
        result = [] if name == "b" else [square]
        tasks.append(
            {"id": number, "data": {"image": f"{name}.jpg"}, "annotations": [{"id": number, "result": result}]}
        )
    text(tmp_path / "project.json", tasks)
    found, _, _ = converted(tmp_path)
    assert (found["b"] == "background").all()
    assert (found["a"][: HEIGHT // 2, : WIDTH // 2] == "road").all()
    put(tmp_path / "icnet_labels" / "a.png", np.zeros((WIDTH, HEIGHT), np.uint8))  # as the pixels are stored
    with pytest.raises(DatasetError, match=r"a\.jpg; its EXIF data turns it, and the labels belong to the pixels as"):
        open_dataset(str(tmp_path / "dataset.yaml"), None, "train")[0]


# labelme


def labelme(path, name, shapes, **more):
    values = {"version": "6.3.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
    return text(path, {**values, "imageHeight": HEIGHT, "imageWidth": WIDTH, **more})


def test_labelme(tmp_path):
    """Masks as labelme 6.3.1 draws them (labelme.utils.shape_to_mask), later shapes on top."""
    mask = ids([0, 1], 3, 4) > 0
    shapes = [
        {"label": "road", "points": [[1.2, 1.1], [9.7, 2.3], [6.1, 9.4]], "shape_type": "polygon"},
        {"label": "tree", "points": [[9, 8], [2.2, 6]], "shape_type": "rectangle"},
        {"label": "sky", "points": [[12, 3], [13, 3]], "shape_type": "circle"},
        {
            "label": "road",
            "points": [[11, 8], [14, 10]],
            "shape_type": "mask",
            "mask": base64.b64encode(png(mask.astype(np.uint8))).decode(),
        },
        {"label": "wire", "points": [[1, 1], [3, 3]], "shape_type": "line"},
    ]
    expected = np.full((HEIGHT, WIDTH), "", object)
    for row, (first, last) in enumerate(LABELME_TRIANGLE, 1):
        expected[row, first : last + 1] = "road"
    expected[6:9, 2:10] = "tree"
    expected[2:5, 11:14] = "sky"
    expected[2:5:2, 11:14:2] = ""  # a disc of radius 1 is a cross
    area = expected[8:11, 11:15]
    area[mask] = "road"
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "sub" / "b.jpg")
    labelme(tmp_path / "a.json", "a.jpg", shapes)
    labelme(tmp_path / "sub" / "b.json", "..\\sub\\b.jpg", shapes)
    labelme(tmp_path / "gone.json", "gone.jpg", shapes)
    found, _, done = converted(tmp_path)
    assert done.format.name == "labelme"
    assert np.array_equal(found["a"], expected)
    assert np.array_equal(found["b"], expected)
    assert "2 points and lines have no area and are left out" in done.notes
    assert "1 annotated images are not there, e.g. gone.jpg" in done.notes


# First and last column of each row from 1 on, from labelme 6.3.1.
LABELME_TRIANGLE = [(1, 1), (2, 9), (2, 9), (3, 8), (4, 8), (4, 7), (5, 7), (5, 6), (6, 6)]


# COCO


def coco(path, images, annotations, categories):
    named_categories = [{"id": k, "name": name, "supercategory": ""} for k, name in categories.items()]
    entries = [{"id": k, "file_name": name, "height": HEIGHT, "width": WIDTH} for k, name in images.items()]
    return text(path, {"images": entries, "annotations": annotations, "categories": named_categories})


def test_coco_instances(tmp_path):
    """CVAT's and datumaro's layout; polygons of several parts, run lengths, a category that does not occur."""
    runs = [12 * 12, 12, 12 * 3]
    annotations = [
        {"image_id": 7, "category_id": 4, "segmentation": [[4, 3, 8, 3, 8, 7, 4, 7], [0, 0, 2, 0, 2, 2, 0, 2]]},
        {"image_id": 7, "category_id": 2, "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}},
        {"image_id": 9, "category_id": 2, "segmentation": [[0, 0, 16, 0, 16, 12, 0, 12]]},
        {"image_id": 9, "category_id": 4, "segmentation": []},
    ]
    categories = {2: "tree", 4: "road", 5: "kerb"}
    picture(tmp_path / "images" / "default" / "a.jpg")
    picture(tmp_path / "images" / "default" / "sub" / "b.jpg")
    coco(
        tmp_path / "annotations" / "instances_default.json",
        {7: "a.jpg", 9: "sub/b.jpg", 11: "c.jpg"},
        annotations,
        categories,
    )
    found, _, done = converted(tmp_path)
    expected = np.full((HEIGHT, WIDTH), "", object)
    expected[3:7, 4:8] = expected[:2, :2] = "road"
    expected[:, 12] = "tree"
    assert np.array_equal(found["a"], expected)
    assert (found["b"] == "tree").all()
    assert "categories without a region are left out: kerb" in done.notes
    assert any("1 of its images are not there, e.g. c.jpg" in note for note in done.notes)


def test_coco_with_a_file_for_each_split(tmp_path):
    """Roboflow's layout."""
    square = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
    other = {"image_id": 1, "category_id": 2, "segmentation": [[8, 8, 10, 8, 10, 10, 8, 10]]}
    for split in ("train", "valid"):
        picture(tmp_path / split / f"{split}.jpg")
        coco(tmp_path / split / "_annotations.coco.json", {1: f"{split}.jpg"}, [square, other], {1: "road", 2: "tree"})
    found, counts, _ = converted(tmp_path)
    assert counts == {"train": 1, "val": 1}
    assert (found["valid"] == "road").sum() == 16


def test_coco_panoptic(tmp_path):
    """Also WildDash 2 and Segments.ai's export of that name: 24-bit ids of segments."""
    numbers = np.where(ids([0, 1]) > 0, 70_000, 3).astype(np.int32)
    colours = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], -1).astype(np.uint8)
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg")
        put(tmp_path / "panoptic" / f"{name}.png", colours[..., ::-1])
    segments = [{"id": 3, "category_id": 1}, {"id": 70_000, "category_id": 7}]
    annotations = [{"image_id": n, "file_name": f"{n}.png", "segments_info": segments} for n in "ab"]
    coco(tmp_path / "panoptic.json", {n: f"{n}.jpg" for n in "ab"}, annotations, {0: "unlabeled", 1: "road", 7: "tree"})
    found, _, _ = converted(tmp_path)
    assert np.array_equal(found["a"], np.where(numbers == 3, "road", "tree"))


# Supervisely


def test_supervisely(tmp_path):
    """Polygons with holes, bitmaps and rectangles as supervisely 6.73.582 draws them."""
    mask = ids([0, 1], 4, 5) > 0
    stored = base64.b64encode(zlib.compress(png(mask.astype(np.uint8) * 255))).decode()
    hole = [[6, 4], [8, 4], [8, 6], [6, 6]]
    objects = [
        {
            "classTitle": "road",
            "geometryType": "polygon",
            "points": {"exterior": [[4, 2], [10, 2], [10, 8], [4, 8]], "interior": [hole]},
        },
        {"classTitle": "tree", "geometryType": "bitmap", "bitmap": {"data": stored, "origin": [9, 6]}},
        {"classTitle": "road", "geometryType": "rectangle", "points": {"exterior": [[0, 0], [2, 1]], "interior": []}},
        {"classTitle": "wire", "geometryType": "line", "points": {"exterior": [[0, 0], [2, 1]], "interior": []}},
    ]
    expected = np.full((HEIGHT, WIDTH), "", object)
    expected[2:9, 4:11] = "road"
    expected[4:7, 6:9] = ""
    expected[6:10, 9:14][mask] = "tree"
    expected[:2, :3] = "road"
    for name in "ab":
        picture(tmp_path / "ds0" / "img" / f"{name}.jpg")
        annotation = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": objects, "tags": []}
        text(tmp_path / "ds0" / "ann" / f"{name}.jpg.json", annotation)
    classes = [
        {"title": name, "shape": "any", "color": colour} for name, colour in (("road", "#804080"), ("tree", "#6B8E23"))
    ]
    text(tmp_path / "meta.json", {"classes": classes, "tags": []})
    found, _, done = converted(tmp_path)
    assert np.array_equal(found["a"], expected)
    assert "2 objects without an area are left out" in done.notes
    assert yaml.safe_load(done.file.read_text())["classes"]["classes"][0]["colour"] == [128, 64, 128]


# All


def test_annotations_that_change_make_the_drawn_labels_stale(tmp_path):
    square = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
    file = coco(tmp_path / "c.json", {1: "a.jpg", 2: "b.jpg"}, [square, {**square, "image_id": 2}], {1: "road"})
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.jpg")
    elsewhere = tmp_path / "out" / "d.yaml"
    assert (converted(tmp_path, out=elsewhere)[0]["a"] == "road").sum() == 16
    assert (tmp_path / "out" / "icnet_labels" / "a.png").is_file()
    coco(file, {1: "a.jpg", 2: "b.jpg"}, [{**square, "image_id": 2}, square, square], {1: "road"})
    with pytest.raises(DatasetError, match="has changed since the label files were drawn from it: draw them again"):
        open_dataset(str(elsewhere), None, "train")
    with pytest.raises(DatasetError, match="is there already, perhaps edited; --overwrite replaces it"):
        convert(tmp_path, elsewhere)
    convert(tmp_path, elsewhere, overwrite=True)
    assert len(open_dataset(str(elsewhere), None, "val")) == 1
