"""Label files of other programs: palettes, colours, labelmaps, and mappings of their classes."""

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from icnet_ros.dataset.base import DatasetError, identity, read_ids
from icnet_ros.dataset.table import open_dataset

TABLE = {"classes": [{"name": "way", "colour": [10, 20, 30]}, {"name": "tree", "colour": [0, 200, 0]}]}
IDS = np.array([[0, 0, 1, 1], [1, 255, 0, 1]], np.uint8)
# As CVAT's export "Segmentation mask 1.1" writes it.
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\npath:1,2,3::\nbush:4,5,6::\n"


def dataset(folder, pixels, mode=None, *, palette=None, **source):
    """A dataset of one image with this label PNG."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((*pixels.shape[:2], 3), np.uint8))
    image = Image.fromarray(pixels, mode)
    if palette is not None:
        image.putpalette(palette)
    image.save(folder / "labels" / "a.png")
    (folder / "labelmap.txt").write_text(LABELMAP)
    entry = {"images": "images", "labels": "labels", **source}
    (folder / "d.yaml").write_text(yaml.safe_dump({"classes": TABLE, "splits": {"train": [entry]}}))
    return open_dataset(str(folder / "d.yaml"), None, "train")


def colours(table, ids):
    return np.array([table.get(int(one), (0, 0, 0)) for one in ids.reshape(-1)], np.uint8).reshape(*ids.shape, 3)


def test_grey_and_palette_images_hold_ids(tmp_path):
    assert np.array_equal(dataset(tmp_path, IDS)[0][1], IDS)
    random_palette = np.random.default_rng(0).integers(0, 256, 768).tolist()
    assert np.array_equal(dataset(tmp_path, IDS, "P", palette=random_palette)[0][1], IDS)


def test_a_palette_in_another_order_than_the_ids_is_refused(tmp_path):
    """As programs make it that turn colours into a palette: the first colour of the image is 0."""
    way, tree = (10, 20, 30), (0, 200, 0)
    ids = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    assert np.array_equal(dataset(tmp_path, ids, "P", palette=[*way, *tree])[0][1], ids)
    with pytest.raises(DatasetError, match=r"a\.png: its palette has the colours of the classes, but in another order"):
        dataset(tmp_path, ids, "P", palette=[*tree, *way])[0]


def test_grey_images_of_few_bits_are_refused(tmp_path):
    """Readers scale their values: id 1 of 1 bit would be 255, which counts nowhere."""
    data = dataset(tmp_path, IDS % 2)
    for name, pixels in (("a", np.ones((2, 4), bool)),):
        Image.fromarray(pixels).save(tmp_path / "labels" / f"{name}.png")
    with pytest.raises(DatasetError, match=r"a\.png: not a readable label image \(a grey PNG of 1 bits"):
        data[0]
    with pytest.raises(DatasetError, match="a grey PNG of 1 bits"):
        read_ids(identity())(tmp_path / "labels" / "a.png")


@pytest.mark.parametrize("pattern", ["", "/etc/*"])
def test_what_is_no_pattern_of_file_names(tmp_path, pattern):
    with pytest.raises(DatasetError, match="is no pattern of file names"):
        dataset(tmp_path, IDS, pattern=pattern)


def test_colours_of_the_class_table(tmp_path):
    ids = np.where(IDS == 255, 0, IDS)
    pixels = colours({0: (10, 20, 30), 1: (0, 200, 0)}, ids)
    data = dataset(tmp_path, pixels)
    assert data.classes.names == ("way", "tree")
    assert np.array_equal(data[0][1], ids)
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    assert np.array_equal(dataset(tmp_path, opaque)[0][1], ids)


@pytest.mark.parametrize("palette", [False, True])
def test_colours_of_a_labelmap(tmp_path, palette):
    """Also where the writer made a palette of them, whose indices mean nothing."""
    pixels = colours({0: (1, 2, 3), 1: (4, 5, 6)}, IDS)
    if palette:
        pixels = np.where(IDS == 255, 9, IDS + 5).astype(np.uint8)
        entries = [0] * 15 + [1, 2, 3, 4, 5, 6]
        source = {"mode": "P", "palette": entries + [0] * (768 - len(entries))}
    else:
        source = {}
    mapping = {"background": "ignore", "path": "way", "bush": "tree"}
    data = dataset(tmp_path, pixels, labelmap="labelmap.txt", mapping=mapping, **source)
    assert np.array_equal(data[0][1], IDS)


def test_ids_and_names_of_another_table_are_mapped(tmp_path):
    ids = np.array([[0, 8, 10, 10]], np.uint8)  # Cityscapes: road, vegetation, sky
    mapping = {"road": "way", "vegetation": "tree", **dict.fromkeys(REST, "ignore")}
    data = dataset(tmp_path, ids, label_classes="cityscapes", mapping=mapping)
    assert data[0][1].tolist() == [[0, 1, 255, 255]]
    both = {0: "way", 7: "tree"}
    assert dataset(tmp_path, np.array([[0, 7]], np.uint8), mapping=both)[0][1].tolist() == [[0, 1]]


REST = ("sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "terrain", "sky", "person",
        "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")  # fmt: skip


@pytest.mark.parametrize(
    ("pixels", "source", "problem"),
    [
        (IDS + np.uint8(3), {}, r"labels.a\.png: id 3 is none of the 2 classes of the label files, at pixel \(0, 0\)"),
        (colours({}, IDS), {}, r"colour 0,0,0 is none of the 2 colours of the label files, at pixel \(0, 0\)"),
        (
            IDS,
            {"labelmap": "labelmap.txt"},
            "class 'background' of the label files is 'background', which is none of way",
        ),
        (IDS, {"labelmap": "none.txt"}, r"none\.txt"),
        (IDS, {"labelmap": "d.yaml"}, r"d\.yaml: line 1 is .* not of the form name:red,green,blue"),
        (IDS, {"mapping": {"way": "lake"}}, "class 'way' of the label files is 'lake', which is none of way, tree"),
        (IDS, {"mapping": {"lake": "way"}}, "mapping has 'lake', which is no class of the label files"),
        (IDS, {"mapping": [1]}, "mapping is"),
        (IDS, {"labelmap": "labelmap.txt", "label_classes": "camvid"}, "exclude each other"),
        (IDS, {"label_classes": "mars"}, "no class table 'mars'"),
        (IDS.astype(np.uint16), {}, "a PNG of mode I"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, pixels, source, problem):
    with pytest.raises(DatasetError, match=problem):
        dataset(tmp_path, pixels, **source)[0]


def test_a_cut_off_label_file_is_named(tmp_path):
    data = dataset(tmp_path, np.random.default_rng(0).integers(0, 2, (64, 64), np.uint8))
    file = tmp_path / "labels" / "a.png"
    file.write_bytes(file.read_bytes()[:150])
    with pytest.raises(DatasetError, match=r"a\.png: not a readable label image"):
        data.labels(0)


def test_one_colour_for_two_classes_is_refused(tmp_path):
    dataset(tmp_path, IDS)
    (tmp_path / "labelmap.txt").write_text(LABELMAP.replace("4,5,6", "1,2,3"))
    table = yaml.safe_load((tmp_path / "d.yaml").read_text())
    source = {"labelmap": "labelmap.txt", "mapping": {"background": "ignore", "path": "way", "bush": "tree"}}
    table["splits"]["train"][0] |= source
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(DatasetError, match="bush has the colour"):
        open_dataset(str(tmp_path / "d.yaml"), None, "train")
