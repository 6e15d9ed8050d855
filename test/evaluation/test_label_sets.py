"""Statistics of labels, agreement of annotators, images in both splits."""

import json

import cv2
import numpy as np
import pytest
import yaml

from icnet_ros.command.main import app
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.table import open_dataset
from icnet_ros.evaluation.label_sets import agreement, statistics

RNG = np.random.default_rng(0)
TABLE = [{"name": name, "colour": [k + 1, 0, 0]} for k, name in enumerate(("road", "tree", "sky"))]


def smooth(seed):
    """A picture with structure, so that its hash says something."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)


def dataset(folder, train, val=(), names=TABLE):
    """train, val: (name, image, labels)."""
    for split, pictures in (("train", train), ("val", val)):
        for name, image, labels in pictures:
            for kind, pixels in (("images", image), ("labels", labels)):
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / split / kind / f"{name}.png"), pixels)
    splits = {split: [{"images": f"{split}/images", "labels": f"{split}/labels"}] for split in ("train", "val")}
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": {"classes": list(names)}, "splits": splits}))
    return folder


def halves(left, right):
    labels = np.full((48, 64), right, np.uint8)
    labels[:, :32] = left
    return labels


def run(capsys, *words):
    app([str(word) for word in words], standalone_mode=False)
    return capsys.readouterr()


def test_statistics(tmp_path):
    folder = dataset(tmp_path, [("a", smooth(0), halves(0, 1)), ("b", smooth(1), halves(0, 255))])
    found = statistics(open_dataset(str(folder), None, "train"), lambda *_: None)
    assert (found["images"], found["sizes"], found["unlabelled"]) == (2, {"64x48": 2}, 0.25)
    road = found["classes"]["road"]
    assert (road["images"], road["regions"], road["median_region"]) == (2, 2, 48 * 32)
    assert road["share"] == pytest.approx(2 / 3)
    assert road["together"] == {"tree": 0.5, "sky": 0.0}
    assert found["classes"]["sky"]["median_region"] is None


def test_images_of_both_splits_are_named(tmp_path, capsys):
    """Also compressed and scaled; other images are none."""
    copy = cv2.resize(smooth(3), (32, 24), interpolation=cv2.INTER_AREA)
    train = [(f"t{k}", smooth(k), halves(0, 1)) for k in range(8)]
    small = np.zeros((24, 32), np.uint8)
    folder = dataset(tmp_path, train, [("copy", copy, small), ("new", smooth(99), halves(1, 2))])
    out, err = run(capsys, "dataset", "stats", folder)
    assert "dataset train: 8 images" in out
    assert "1 images of val are also in train" in err
    assert "t3.png and " in err
    assert "copy.png" in err
    out, _ = run(capsys, "dataset", "stats", folder, "--json")
    assert len(json.loads(out)["duplicates"]) == 1


def test_agreement_of_two_annotators(tmp_path, capsys):
    first = dataset(tmp_path / "one", [("a", smooth(0), halves(0, 1)), ("b", smooth(1), halves(0, 255))])
    # The other has the classes in another order, moved the border, and left an image out.
    order = [TABLE[1], TABLE[0], TABLE[2]]
    moved = np.full((48, 64), 0, np.uint8)
    moved[:, :40] = 1
    second = dataset(tmp_path / "two", [("a", smooth(0), moved), ("c", smooth(2), moved)], names=order)
    found = agreement(*(open_dataset(str(one), None, "train") for one in (first, second)), lambda *_: None)
    assert (found["images"], found["only_first"], found["only_second"]) == (1, 1, 1)
    assert found["agreement"] == pytest.approx(56 / 64)
    assert found["iou"] == {"road": pytest.approx(32 / 40), "tree": pytest.approx(24 / 32), "sky": None}
    assert np.array(found["confusion"])[1, 0] == 48 * 8
    assert found["worst"] == [(pytest.approx(56 / 64), "a")]
    out, _ = run(capsys, "dataset", "diff", first, second)
    assert "the same class in 87.50% of the pixels" in " ".join(out.split())
    other = dataset(tmp_path / "three", [("z", smooth(0), moved)])
    with pytest.raises(DatasetError, match="have no image of the same name"):
        agreement(*(open_dataset(str(one), None, "train") for one in (first, other)), lambda *_: None)
