"""Exports of labelling tools: every pixel is what the tool means."""

import base64
import io
import zlib

import cv2
import numpy as np
import pytest
import yaml
from exports import HEIGHT, WIDTH, converted, ids, named, picture, put, rgb, text
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

COLOURS = {1: (128, 64, 128), 2: (107, 142, 35), 3: (70, 130, 180)}
NAMES = {1: "road", 2: "tree", 3: "sky"}


def png(mask):
    """A PNG file of a mask, as bytes."""
    content = io.BytesIO()
    Image.fromarray(mask).save(content, "PNG")
    return content.getvalue()


# CVAT and VOC


@pytest.fixture
def cvat(tmp_path):
    """ "Segmentation mask 1.1" as CVAT writes it with datumaro 1.13.12: an image in a subfolder, one without labels."""
    truth = {name: ids([0, 1, 2]) for name in ("a", "c", "d", "e")}
    for name, values in truth.items():
        place = "cam1/" if name == "c" else ""
        picture(tmp_path / "JPEGImages" / f"{place}{name}.jpg")
        put(tmp_path / "SegmentationClass" / f"{place}{name}.png", rgb(values, COLOURS)[..., ::-1])
    picture(tmp_path / "JPEGImages" / "b.jpg")
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", "road:128,64,128::", "tree:107,142,35::"]
    text(tmp_path / "labelmap.txt", "\ufeff" + "\n".join(lines))
    text(tmp_path / "ImageSets" / "Segmentation" / "default.txt", "a\nb\ncam1/c\nd\ne\n")
    return tmp_path, truth


def test_cvat(cvat):
    folder, truth = cvat
    found, counts, done = converted(folder)
    assert done.format.name == "voc"
    assert counts == {"train": 3, "val": 1}
    for name, values in truth.items():
        assert np.array_equal(found[name], named(values, NAMES))
    assert any(
        "1 images without a label file, e.g. b.jpg" in note
        for note in open_dataset(folder.as_posix(), None, "train").notes
    )
    described = yaml.safe_load(done.file.read_text())
    assert described["splits"]["train"][0]["mapping"] == {"background": "ignore"}
    assert described["classes"]["classes"][0] == {"name": "road", "colour": [128, 64, 128]}


def test_pixels_without_a_label_can_be_a_class(cvat):
    folder, truth = cvat
    found, _, done = converted(folder, background="nothing")
    assert np.array_equal(found["a"], named(truth["a"], NAMES | {0: "nothing"}))
    assert "pixels without a label are the class nothing" in done.notes


def test_one_class_is_told_from_everything_else(tmp_path):
    values = ids([0, 1])
    picture(tmp_path / "JPEGImages" / "a.jpg")
    picture(tmp_path / "JPEGImages" / "b.jpg")
    for name in "ab":
        put(tmp_path / "SegmentationClass" / f"{name}.png", rgb(values, {1: (128, 0, 0)})[..., ::-1])
    text(tmp_path / "labelmap.txt", "background:::\ncrop:::\n")  # datumaro without colours: VOC's palette in order
    found, _, _ = converted(tmp_path)
    assert np.array_equal(found["a"], named(values, {0: "background", 1: "crop"}))


def test_voc_palettes_and_lists(tmp_path):
    truth = {name: ids([0, 1, 15, 255]) for name in ("one", "two", "three")}
    palette = [value for index in range(256) for value in ((index * 37) % 256, (index * 91) % 256, index)]
    for name, values in truth.items():
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
        stored = Image.fromarray(values, "P")
        stored.putpalette(palette)
        (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
        stored.save(tmp_path / "SegmentationClass" / f"{name}.png")
    text(tmp_path / "ImageSets" / "Segmentation" / "train.txt", "one\ntwo\n")
    text(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "three\n")
    text(tmp_path / "ImageSets" / "Segmentation" / "trainval.txt", "one\ntwo\nthree\n")
    found, counts, _ = converted(tmp_path)
    assert counts == {"train": 2, "val": 1}
    for name, values in truth.items():
        assert np.array_equal(found[name], named(values, {1: "aeroplane", 15: "person"}))


def test_an_export_without_images_is_explained(tmp_path):
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DatasetError, match="JPEGImages: no images; export again with images"):
        convert(tmp_path)


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


def test_label_studio_brush_pngs(tmp_path):
    road, tree = ids([0, 1]) * 255, ids([0, 1]) * 255
    for task in (1, 12):
        picture(tmp_path / "images" / f"{task}.jpg")
        put(tmp_path / "brushes" / f"task-{task}-annotation-3-by-1-tag-road-0.png", road)
        put(tmp_path / "brushes" / f"task-{task}-annotation-3-by-1-tag-tall-tree-0.png", tree)
    found, _, done = converted(tmp_path)
    assert done.format.name == "label-studio-brush"
    assert np.array_equal(found["12"], np.where(tree > 0, "tall-tree", np.where(road > 0, "road", "")))
    (tmp_path / "images" / "12.jpg").unlink()
    with pytest.raises(DatasetError, match="do not say which image task 12 is: export as JSON instead"):
        convert(tmp_path, overwrite=True)
    assert list((tmp_path / "icnet_labels").rglob("*.png"))  # what was drawn before is still there


# Roboflow


def test_roboflow(tmp_path):
    truth = {}
    for split, name in (("train", "a"), ("train", "b"), ("valid", "c"), ("test", "d")):
        stem = f"{name}_jpg.rf.0a1b"
        truth[stem] = ids([0, 1, 2])
        picture(tmp_path / split / f"{stem}.jpg")
        put(tmp_path / split / f"{stem}_mask.png", truth[stem])
        text(tmp_path / split / "_classes.csv", "Pixel Value, Class\n0, background\n1, road\n2, tree\n")
    found, counts, _ = converted(tmp_path)
    assert counts == {"train": 2, "val": 1}
    for stem in list(truth)[:3]:
        assert np.array_equal(found[stem], named(truth[stem], NAMES))
    assert len(open_dataset(str(tmp_path), None, "test")) == 1


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
            "mask": base64.b64encode(png(mask)).decode(),
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


def test_supervisely_machine_masks(tmp_path):
    """Grey stored as RGB, ids from 1."""
    truth = ids([0, 1, 2])
    for name in "ab":
        picture(tmp_path / "ds0" / "img" / f"{name}.jpg")
        put(tmp_path / "ds0" / "masks_machine" / f"{name}.png", np.dstack([truth] * 3))
    text(tmp_path / "obj_class_to_machine_color.json", {"road": [1, 1, 1], "tree": [2, 2, 2]})
    text(tmp_path / "meta.json", {"classes": []})
    found, _, done = converted(tmp_path)
    assert done.format.name == "supervisely-masks"
    assert np.array_equal(found["b"], named(truth, NAMES))


# Segments.ai


def test_segments_ai(tmp_path):
    """A release, and bitmaps as segments-ai 1.33.0 writes them: 24 bits of id, alpha 255."""
    numbers = np.where(ids([0, 1]) > 0, 70_000, 0).astype(np.uint32)
    numbers[:2] = 2
    rgba = np.ascontiguousarray(numbers)[..., None].view(np.uint8).copy()
    rgba[..., 3] = 255
    samples = []
    for name in ("a.jpg", "sub/b.jpg", "c.jpg"):
        objects = [{"id": 2, "category_id": 1}, {"id": 70_000, "category_id": 2}]
        samples.append({"name": name, "labels": {"ground-truth": {"attributes": {"annotations": objects}}}})
        if name != "c.jpg":
            picture(tmp_path / "images" / name)
            stem = name.rpartition("/")[2].removesuffix(".jpg")
            Image.fromarray(rgba).save(tmp_path / "images" / f"{stem}_label_ground-truth.png")
    categories = [{"name": "road", "id": 1, "color": [128, 64, 128]}, {"name": "tree", "id": 2}]
    release = {"name": "v1", "dataset": {"task_attributes": {"categories": categories}, "samples": samples}}
    text(tmp_path / "yard-v1.json", release)
    found, _, done = converted(tmp_path)
    assert np.array_equal(found["a"], named(numbers, {2: "road", 70_000: "tree"}))
    assert np.array_equal(found["b"], found["a"])
    assert any("1 labelled samples have no image" in note for note in done.notes)


# Hugging Face


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    truth = [ids([0, 1, 2]) for _ in range(5)]
    jpeg = cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    rows = {
        "image": [{"bytes": jpeg, "path": f"{k}.jpg"} for k in range(5)],
        "label": [{"bytes": png(values), "path": None} for values in truth],
        "place": ["yard"] * 5,
    }
    (tmp_path / "data").mkdir()
    for name, part in (("train-00000-of-00001", slice(4)), ("validation-00000-of-00001", slice(4, 5))):
        parquet.write_table(
            arrow.table({key: values[part] for key, values in rows.items()}), tmp_path / "data" / f"{name}.parquet"
        )
    with pytest.raises(DatasetError, match=r"no id2label\.json beside it, so it names no classes: give --classes"):
        convert(tmp_path)
    text(tmp_path / "id2label.json", {"0": "unlabeled", "1": "road", "2": "tree"})
    _, counts, done = converted(tmp_path)
    assert counts == {"train": 4, "val": 1}
    data = open_dataset(str(done.file), None, "train")
    for index, values in enumerate(truth[:4]):
        assert np.array_equal(named(data.labels(index), dict(enumerate(data.classes.names))), named(values, NAMES))


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


def test_what_is_not_recognised_is_said(tmp_path):
    with pytest.raises(DatasetError, match="not recognised as an export or a data set; known are CVAT"):
        convert(tmp_path)
    with pytest.raises(DatasetError, match="no format 'cvatt'; there are voc, label-studio"):
        convert(tmp_path, name="cvatt")
    with pytest.raises(DatasetError, match="no such folder"):
        convert(tmp_path / "none")
    broken = [{"value": {"rle": [1], "brushlabels": ["road"]}}]
    text(tmp_path / "tasks.json", [{"data": {"image": "a.png"}, "annotations": [{"result": broken}]}])
    picture(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="looks like Label Studio JSON, but is not what that writes"):
        convert(tmp_path)
    text(tmp_path / "x.json", "{")
    with pytest.raises(DatasetError, match=r"x\.json: not readable as JSON"):
        convert(tmp_path)
