"""Label files that could be read wrongly: each is refused, or warned of."""

import io

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from icnet_ros.command.main import app
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.table import open_dataset

RNG = np.random.default_rng(0)
TABLE = [{"name": "way", "colour": [10, 20, 30]}, {"name": "tree", "colour": [0, 200, 0]}]
THREE = [*TABLE, {"name": "hut", "colour": [200, 0, 0]}]


def put(folder, pictures, classes=TABLE, **source):
    """A dataset.yaml of these label pictures (arrays, or Pillow's), for both splits."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(pictures):
        label = one if isinstance(one, Image.Image) else Image.fromarray(one)
        label.save(folder / "labels" / f"{number}.png")
        pixels = RNG.integers(0, 256, (*label.size[::-1], 3), np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), pixels)
    entry = {"images": "images", "labels": "labels", **source}
    described = {"classes": {"classes": classes}, "splits": {"train": [entry], "val": [entry]}}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(described))
    return folder / "dataset.yaml"


def labels(file):
    return open_dataset(str(file), None, "train").labels(0)


def run(capfd, *words):
    """stdout and stderr of a command, each as one line."""
    app([str(word) for word in words], standalone_mode=False)
    return tuple(" ".join(text.split()) for text in capfd.readouterr())


# 1. Ids of two tables in one mapping: KITTI's labelIds with some of them mapped left 0, 1, ... to the class table.


def test_an_id_that_is_not_in_a_mapping_by_id_is_refused(tmp_path):
    ids = np.array([[7, 7, 21, 1]], np.uint8)
    with pytest.raises(
        DatasetError, match="id 1 is not in mapping, which gives the classes of ids: add it, or `others"
    ):
        labels(put(tmp_path, [ids], mapping={7: "way", 21: "tree"}))
    assert labels(put(tmp_path, [ids], mapping={7: "way", 21: "tree", 1: "ignore"})).tolist() == [[0, 0, 1, 255]]
    assert labels(put(tmp_path, [ids], mapping={7: "way", 21: "tree"}, others="ignore")).tolist() == [[0, 0, 1, 255]]


def test_a_name_in_a_mapping_stands_for_its_id(tmp_path):
    ids = np.array([[0, 9, 255]], np.uint8)
    assert labels(put(tmp_path, [ids], mapping={"way": "tree", 9: "way"})).tolist() == [[1, 0, 255]]
    with pytest.raises(DatasetError, match="id 1 is not in mapping"):
        labels(put(tmp_path, [np.array([[1]], np.uint8)], mapping={"way": "tree", 9: "way"}))


def test_others_are_classes_of_the_files_that_the_dataset_does_not_have(tmp_path):
    ids = np.array([[0, 8, 10]], np.uint8)  # Cityscapes: road, vegetation, sky
    file = put(tmp_path, [ids], label_classes="cityscapes", mapping={"road": "way"}, others="ignore")
    assert labels(file).tolist() == [[0, 255, 255]]


# 2. A palette whose colours are those of the classes, in another order.


def palette(indices, colours):
    picture = Image.fromarray(indices, "P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture


def test_a_palette_in_another_order_is_refused_whatever_else_it_has(tmp_path):
    indices = np.array([[0, 0, 1, 255]], np.uint8)
    colours = [(0, 200, 0), (123, 45, 67), *[(0, 0, 0)] * 254]  # of tree, of no class
    with pytest.raises(DatasetError, match="index 0 has the colour 0,200,0 of another class"):
        labels(put(tmp_path, [palette(indices, colours)]))
    assert labels(put(tmp_path, [palette(indices, colours)], encoding="ids")).tolist() == [[0, 0, 1, 255]]
    swapped = palette(indices[:, :3], [(0, 200, 0), (10, 20, 30)])
    assert labels(put(tmp_path, [swapped], encoding="colours")).tolist() == [[1, 1, 0]]


# 3. Files with 0 where nothing is labelled, and ids from 1.


def test_ids_that_begin_with_one(tmp_path):
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    assert labels(put(tmp_path, [ids], reduce_zero_label=True)).tolist() == [[255, 0, 1, 255]]
    with pytest.raises(DatasetError, match=r"id 3 is none of the 3 classes .* add `reduce_zero_label: true`"):
        labels(put(tmp_path, [np.array([[0, 3]], np.uint8)], THREE))
    with pytest.raises(DatasetError, match="leave out reduce_zero_label"):
        labels(put(tmp_path, [ids], reduce_zero_label=True, mapping={1: "way"}))


def test_ids_that_begin_with_one_where_the_last_does_not_occur(tmp_path, capfd):
    """No id is out of range then."""
    _, said = run(capfd, "dataset", "check", "--data", put(tmp_path, [np.array([[0, 1, 1]], np.uint8)], THREE),
                  "--sheet", tmp_path / "sheet.png")  # fmt: skip
    assert "train: class hut has no pixel" in said
    assert "Are the ids shifted by one?" in said
    assert "`reduce_zero_label: true`" in said


def test_a_class_that_only_frames_the_images_is_suspected(tmp_path, capfd):
    ids = np.zeros((40, 60), np.uint8)
    ids[2:-2, 2:-2] = RNG.integers(1, 3, (36, 56))
    _, said = run(capfd, "dataset", "check", "--data", put(tmp_path, [ids] * 3, THREE), "--sheet", tmp_path / "s.png")
    assert "train: id 0 (way) frames 3 of 3 images" in said
    ids[:] = RNG.integers(0, 3, (40, 60))
    _, said = run(capfd, "dataset", "check", "--data", put(tmp_path, [ids] * 3, THREE), "--sheet", tmp_path / "s.png")
    assert "warning" not in said


# 4. Masks of 0 and 255: 255 counts nowhere.

BINARY = [{"name": "background", "colour": [0, 0, 0]}, {"name": "crop", "colour": [0, 255, 0]}]
REMEDY = "if that is crop in these files, `mapping: {0: background, 255: crop}`"


@pytest.fixture
def masks(tmp_path):
    half = np.zeros((64, 96), np.uint8)
    half[:, 48:] = 255
    return put(tmp_path, [half] * 3, BINARY)


def test_a_class_without_a_pixel_is_named_by_check(masks, tmp_path, capfd):
    _, said = run(capfd, "dataset", "check", "--data", masks, "--sheet", tmp_path / "sheet.png")
    assert "train: class crop has no pixel" in said
    assert f"50.0% of the pixels are 255, which counts nowhere: {REMEDY}" in said
    fixed = yaml.safe_load(masks.read_text())
    for split in fixed["splits"].values():
        split[0]["mapping"] = {0: "background", 255: "crop"}
    masks.write_text(yaml.safe_dump(fixed))
    out, said = run(capfd, "dataset", "check", "--data", masks, "--sheet", tmp_path / "sheet.png")
    assert "warning" not in said
    assert out.count("50.000%") == 2


def test_a_class_without_a_pixel_is_named_by_train_and_evaluate(masks, tmp_path, model, capfd, caplog):
    (tmp_path / "r.yaml").write_text(
        "iterations: 1\nbatch: 1\nwidth: 0.25\ncrop: [64, 64]\nscale: [1.0, 1.0]\nvalidate_every: 1\n"
    )
    run(capfd, "train", "--data", masks, "--recipe", tmp_path / "r.yaml", "--init", model, "-o", tmp_path / "run")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text[:34] for text in warned] == [
        "train: class crop has no pixel; wh",
        "val: class crop has no pixel; what",
    ]
    assert all(REMEDY in text for text in warned)
    _, said = run(capfd, "evaluate", "--data", masks, "--model", tmp_path / "run" / "best.safetensors")
    assert "warning: no pixel is annotated with crop" in said


# 5. People see what numbers hide.


def test_the_contact_sheet_shows_every_size_of_image_and_is_named(tmp_path, capfd):
    small, large = np.zeros((20, 30), np.uint8), np.ones((60, 40), np.uint8)
    file = put(tmp_path, [small, large])
    out, _ = run(capfd, "dataset", "check", "--data", file, "--sheet", tmp_path / "sheet.png")
    assert f"contact sheet: {tmp_path}/sheet.png" in out
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    for colour in ((30, 20, 10), (0, 200, 0)):  # BGR, both in full areas and not only in the legend
        assert (sheet == colour).all(axis=2).sum() > 10_000


# Files of a kind that changes ids.


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_lossy_label_files_are_refused_by_their_content(tmp_path, kind):
    file = put(tmp_path, [np.zeros((64, 96), np.uint8)])
    content = io.BytesIO()
    options = {"compression": "jpeg"} if kind == "TIFF" else {}
    grey = np.zeros((64, 96), np.uint8)
    Image.fromarray(grey if kind != "WEBP" else grey[..., None].repeat(3, 2)).save(content, kind, **options)
    (tmp_path / "labels" / "0.png").write_bytes(content.getvalue())
    with pytest.raises(DatasetError, match=rf"0\.png: .*the file is a {kind}, whatever its name says"):
        labels(file)


@pytest.mark.parametrize("kind", ["bmp", "tif", "webp"])
def test_lossless_label_files_of_other_kinds_are_read(tmp_path, kind):
    ids = RNG.integers(0, 2, (6, 8), np.uint8)
    file = put(tmp_path, [ids])
    (tmp_path / "labels" / "0.png").unlink()
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    stored = ids[..., None].repeat(3, 2) if kind == "webp" else ids  # webp has no grey
    Image.fromarray(stored).save(tmp_path / "labels" / f"0.{kind}", **options)
    if kind == "webp":
        with pytest.raises(DatasetError, match="add `encoding: ids`"):
            labels(file)
        file = put(tmp_path / "grey", [stored], encoding="ids")
    assert np.array_equal(labels(file), ids)


def test_colours_of_16_bits_are_refused(tmp_path):
    file = put(tmp_path, [np.zeros((4, 6), np.uint8)])
    cv2.imwrite(str(tmp_path / "labels" / "0.png"), np.ones((4, 6, 3), np.uint16))
    with pytest.raises(DatasetError, match="colours of 16 bits are no labels"):
        labels(file)


def test_ids_of_16_bits_and_in_the_red_channel_are_read_where_it_is_said(tmp_path):
    ids = np.array([[0, 1, 255]], np.uint16)
    file = put(tmp_path, [np.zeros((1, 3), np.uint8)])
    cv2.imwrite(str(tmp_path / "labels" / "0.png"), ids)
    with pytest.raises(DatasetError, match=r"a PNG of mode I;16; .*; if these are ids, add `encoding: ids`"):
        labels(file)
    file = put(tmp_path, [np.zeros((1, 3), np.uint8)], encoding="ids")
    cv2.imwrite(str(tmp_path / "labels" / "0.png"), ids)
    assert labels(file).tolist() == [[0, 1, 255]]
    red = np.dstack([ids, ids * 0 + 7, ids * 0]).astype(np.uint8)
    assert labels(put(tmp_path, [red], encoding="red")).tolist() == [[0, 1, 255]]
    with pytest.raises(DatasetError, match="its channels differ"):
        labels(put(tmp_path, [red], encoding="ids"))
