"""Ultralytics YOLO: folders as ultralytics 8.4, supervision 0.31, Roboflow, CVAT and Label Studio write them.

Masks were compared with `polygons2masks_overlap` of ultralytics 8.4.190 for random polygons, and with the masks that
supervision 0.31.2 had before it wrote them (`DetectionDataset.as_yolo`): every pixel is the same.
"""

import numpy as np
import pytest
import yaml
from exports import HEIGHT, WIDTH, check, converted, ids, picture, text
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

NAMES = {0: "road", 1: "tree", 2: "car"}
BOX = {"road": (0, 2, 15, 11), "car": (3, 4, 6, 7)}  # first and last column and row
TRUTH = np.full((HEIGHT, WIDTH), -1)
TRUTH[2:12, 0:16] = 0
TRUTH[4:8, 3:7] = 2


def line(name, digits=6):
    """A rectangle whose corners are pixels, as writers store contours."""
    left, top, right, bottom = BOX[name]
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    numbers = [f"{v:.{digits}f}" for x, y in corners for v in (x / WIDTH, y / HEIGHT)]
    return " ".join([str({v: k for k, v in NAMES.items()}[name]), *numbers])


def image(folder, stem, lines, images="images/train", labels="labels/train", suffix=".jpg"):
    picture(folder / images / f"{stem}{suffix}")
    if lines is not None:
        text(folder / labels / f"{stem}.txt", "\n".join(lines))


BOTH = [line("car"), line("road")]  # the small one is on top, whatever the order


def test_folders_of_a_yaml_file(tmp_path):
    image(tmp_path, "a", BOTH)
    image(tmp_path, "b", [line("road", 5), line("car", 5)], "images/val/deep", "labels/val/deep", ".JPG")
    image(tmp_path, "empty", [])
    image(tmp_path, "none", None)
    config = {"path": "/elsewhere/yard", "train": "images/train", "val": "images/val", "test": None, "names": NAMES}
    text(tmp_path / "data.yaml", yaml.safe_dump(config))
    counts, done = check(tmp_path, {"a": TRUTH, "b": TRUTH}, NAMES, "yolo")
    assert counts == {"train": 1, "val": 1}
    assert done.notes[-1] == "2 images without labels are left out, e.g. empty.jpg"
    found, counts, _ = converted(tmp_path, background="soil", overwrite=True)
    assert counts == {"train": 3, "val": 1}
    assert (found["none"] == "soil").all()
    assert (found["a"][0] == "soil").all()


@pytest.mark.parametrize("writer", ["roboflow", "cvat", "supervision", "label-studio", "darknet"])
def test_other_writers(tmp_path, writer):
    for stem in ("a", "b"):
        places = {"roboflow": ("train/images", "train/labels"), "darknet": ("d", "d")}.get(writer, ())
        image(tmp_path, stem, BOTH, *places)
    config = {
        "roboflow": {"train": "../train/images", "val": "../valid/images", "nc": 3, "names": list(NAMES.values())},
        "cvat": {"path": "./", "train": "train.txt", "names": NAMES},
        "supervision": {"nc": 3, "names": list(NAMES.values())},
        "darknet": {"train": "list.txt", "names": NAMES},
    }.get(writer)
    if config:
        text(tmp_path / "data.yaml", yaml.safe_dump(config))
    else:
        text(tmp_path / "classes.txt", "road\ntree\ncar\n")
    text(tmp_path / "train.txt", "data/images/train/a.jpg\ndata/images/train/b.jpg\n")
    text(tmp_path / "list.txt", "./d/a.jpg\n./d/b.jpg\n")
    check(tmp_path, {"a": TRUTH, "b": TRUTH}, NAMES, "yolo")
    check(tmp_path, {"a": TRUTH, "b": TRUTH}, NAMES, "yolo", overwrite=True)  # drawn lists change nothing
    text(tmp_path / ("d" if writer == "darknet" else "labels") / "more.txt", BOTH[0])
    with pytest.raises(DatasetError, match="has changed since the label files were drawn"):
        open_dataset(str(tmp_path), None, "train")


def test_points_beyond_the_image_and_in_pixels(tmp_path):
    """A point lies in the pixel that it is in, but 3.9999, as five digits make of 4, is 4."""
    polygon = np.array([[2.7, 1.2], [20.0, 1.2], [20.0, 9.9], [2.7, 9.9]]) / (WIDTH, HEIGHT)
    for stem in ("a", "b"):
        image(tmp_path, stem, ["1 " + " ".join(map(str, polygon.reshape(-1))), line("car", 5)])
    text(tmp_path / "data.yaml", yaml.safe_dump({"train": "images/train", "names": NAMES}))
    truth = np.full((HEIGHT, WIDTH), -1)
    truth[1:10, 2:] = 1
    truth[4:8, 3:7] = 2
    check(tmp_path, {"a": truth, "b": truth}, NAMES, "yolo")


@pytest.mark.parametrize(
    ("lines", "config", "problem"),
    [
        (["0 0.5 0.5 0.2 0.2"], {}, "its labels are boxes; pixels need polygons"),
        (["7 0 0 0 1 1 1"], {}, r"a\.txt: line 1 has class 7, data\.yaml has no such one"),
        ([BOTH[0], "0 0 0 0 1 1 1 0.9"], {}, r"a\.txt: line 2 has 7 numbers, a polygon has pairs x y"),
        (["road 0 0 1 1"], {}, "line 1 is 'road 0 0 1 1', not a class and numbers"),
        (BOTH, {"kpt_shape": [4, 2]}, "its labels are keypoints"),
        (BOTH, {"train": "pictures"}, r"train: no images in 'pictures'"),
        ([], {}, r"data\.yaml: no image has a label file with a line; looked for .*labels/train/a\.txt"),
        (BOTH, {"names": 3}, "names is 3, it takes a list of names"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, lines, config, problem):
    image(tmp_path, "a", lines)
    text(tmp_path / "data.yaml", yaml.safe_dump({"train": "images/train", "names": NAMES, **config}))
    with pytest.raises(DatasetError, match=problem):
        convert(tmp_path)


@pytest.mark.parametrize("kind", ["grey", "palette", "one class"])
def test_masks_of_ids(tmp_path, kind):
    """Ultralytics' semantic data sets: `label_mapping` gives the class of each id, 255 counts nowhere."""
    values = ids([0, 1, 255] if kind == "one class" else [7, 8, 26, 4, 255])
    picture(tmp_path / "images" / "train" / "none.jpg")
    stored = Image.fromarray(values)
    if kind == "palette":
        stored.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    (tmp_path / "annotations" / "train").mkdir(parents=True)
    for stem in ("a", "b"):
        picture(tmp_path / "images" / "train" / f"{stem}.jpg")
        stored.save(tmp_path / "annotations" / "train" / f"{stem}.png")
    config = {"train": "images/train", "masks_dir": "annotations", "names": NAMES}
    config["label_mapping"] = {-1: "ignore_label", 0: "ignore_label", 4: "ignore_label", 7: 0, 8: 1, 26: 2}
    names = {7: "road", 8: "tree", 26: "car"}
    if kind == "one class":
        config, names = {**config, "names": ["crop"], "label_mapping": None}, {0: "background", 1: "crop"}
    text(tmp_path / "data.yaml", yaml.safe_dump(config))
    check(tmp_path, {"a": values, "b": values}, names, "yolo")


def test_its_yaml_file_may_be_called_as_ours(tmp_path):
    image(tmp_path, "a", BOTH)
    image(tmp_path, "b", BOTH)
    text(tmp_path / "dataset.yaml", yaml.safe_dump({"train": "images/train", "names": NAMES}))
    with pytest.raises(DatasetError, match=r"dataset\.yaml: a YAML file of YOLO: give it another name"):
        open_dataset(str(tmp_path), None, "train")
    with pytest.raises(DatasetError, match="is there already"):
        convert(tmp_path)
    with pytest.raises(DatasetError, match="a YAML file of YOLO, which is not replaced"):
        convert(tmp_path, overwrite=True)
    convert(tmp_path, tmp_path / "mine.yaml")
    assert open_dataset(str(tmp_path / "mine.yaml"), None, "train").labels(0).shape == (HEIGHT, WIDTH)


def test_other_names_are_noticed(tmp_path):
    image(tmp_path, "a", BOTH)
    names = [*NAMES.values()]
    text(tmp_path / "data.yaml", yaml.safe_dump({"train": "images/train", "names": names}))
    file = convert(tmp_path, tmp_path / "mine.yaml").file
    assert len(open_dataset(str(file), None, "train")) == 1
    text(tmp_path / "data.yaml", yaml.safe_dump({"train": "images/train", "names": names[::-1]}))
    with pytest.raises(DatasetError, match="has changed since the label files were drawn"):
        open_dataset(str(file), None, "train")
