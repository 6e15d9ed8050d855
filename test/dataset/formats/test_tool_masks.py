"""Exports of labelling tools as label files: every pixel is what the tool means."""

import cv2
import numpy as np
import pytest
import yaml
from exports import HEIGHT, WIDTH, converted, ids, named, picture, png, put, rgb, text
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

COLOURS = {1: (128, 64, 128), 2: (107, 142, 35), 3: (70, 130, 180)}
NAMES = {1: "road", 2: "tree", 3: "sky"}


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


def test_parquet_of_the_hubs_conversion_with_rows_without_a_label(tmp_path):
    """CONFIG/SPLIT/0000.parquet; datasets writes None for an image that is not labelled, as in a test split."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    truth = ids([0, 1, 2])
    picture = {"bytes": png(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), "path": None}
    label = {"bytes": png(truth), "path": "a.png"}
    for split, labels in (("train", [label, None, label]), ("validation", [label]), ("test", [None, None])):
        path = tmp_path / "default" / split / "0000.parquet"
        path.parent.mkdir(parents=True)
        kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        columns = {"image": [picture] * len(labels), "gt": labels}
        parquet.write_table(arrow.table({k: arrow.array(v, kind) for k, v in columns.items()}), path)
    text(tmp_path / "id2label.json", {"0": "unlabeled", "1": "road", "2": "tree"})
    found, counts, done = converted(tmp_path)
    assert counts == {"train": 2, "val": 1}
    assert np.array_equal(found["000001"], named(truth, NAMES))
    assert "3 rows without an image or a label are left out" in done.notes
    parquet.write_table(arrow.table({"image": [picture], "gt": [{"bytes": None, "path": "a.png"}]}), path)
    with pytest.raises(DatasetError, match=r"^[^ ]*0000\.parquet: a row names a file instead of holding it"):
        converted(tmp_path, overwrite=True)


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
