import cv2
import numpy as np
import pytest

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.camvid import COLOURS
from icnet_ros.dataset.cityscapes import LABEL_IDS
from icnet_ros.dataset.table import open_dataset

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (6, 8, 3), np.uint8)


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def segnet(tmp_path):
    ids = RNG.integers(0, 12, (6, 8), np.uint8)
    for name in ("b", "a"):
        put(tmp_path / "train" / "images" / f"{name}.jpg", IMAGE)
        put(tmp_path / "train" / "labels" / f"{name}.png", ids)
    return tmp_path, ids


def test_camvid_in_segnets_layout(segnet):
    root, ids = segnet
    dataset = open_dataset("camvid", root, "train")
    assert [pair.image.stem for pair in dataset.pairs] == ["a", "b"]
    image, labels = dataset[1]
    assert image.shape == (6, 8, 3)
    assert np.array_equal(labels, np.where(ids == 11, 255, ids))


def test_camvid_in_its_original_colours(tmp_path):
    names = list(COLOURS)
    picks = RNG.integers(0, len(names), (6, 8))
    rgb = np.array([COLOURS[name][0] for name in names], np.uint8)[picks]
    put(tmp_path / "val" / "images" / "x.png", IMAGE)
    put(tmp_path / "val" / "labels" / "x_L.png", rgb[..., ::-1])
    dataset = open_dataset("camvid", tmp_path, "val")
    _, labels = dataset[0]
    for index, name in enumerate(names):
        target = COLOURS[name][1]
        expected = dataset.classes.names.index(target) if target else 255
        assert (labels[picks == index] == expected).all()
    put(tmp_path / "val" / "labels" / "x_L.png", np.full((6, 8, 3), (3, 2, 1), np.uint8))
    with pytest.raises(DatasetError, match=r"x_L\.png: colour \(1, 2, 3\)"):
        dataset[0]


def test_all_32_camvid_colours_are_known_and_distinct():
    assert len(COLOURS) == len({rgb for rgb, _ in COLOURS.values()}) == 32


@pytest.mark.parametrize(("name", "annotation"), [("cityscapes", "gtFine"), ("cityscapes-coarse", "gtCoarse")])
def test_cityscapes(tmp_path, name, annotation):
    ids = RNG.integers(0, 34, (6, 8), np.uint8)
    put(tmp_path / "leftImg8bit" / "val" / "ulm" / "ulm_000_leftImg8bit.png", IMAGE)
    put(tmp_path / annotation / "val" / "ulm" / f"ulm_000_{annotation}_labelIds.png", ids)
    image, labels = open_dataset(name, tmp_path, "val")[0]
    assert np.array_equal(image, IMAGE)
    for original in range(34):
        expected = LABEL_IDS.index(original) if original in LABEL_IDS else 255
        assert (labels[ids == original] == expected).all()


def test_cocostuff(tmp_path):
    ids = RNG.choice(np.array([0, 90, 181, 255], np.uint8), (6, 8))
    put(tmp_path / "images" / "val2017" / "1.jpg", IMAGE)
    put(tmp_path / "annotations" / "val2017" / "1.png", ids)
    assert np.array_equal(open_dataset("cocostuff", tmp_path, "val2017")[0][1], ids)


def test_cocostuff_finds_the_splits_of_2017(tmp_path):
    put(tmp_path / "images" / "train2017" / "1.jpg", IMAGE)
    put(tmp_path / "annotations" / "train2017" / "1.png", np.full((6, 8), 181, np.uint8))
    assert (open_dataset("cocostuff", tmp_path, "train")[0][1] == 181).all()


def test_cocostuff_10k(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    for folder in ("images", "annotations", "imageLists"):
        (tmp_path / folder).mkdir()
    put(tmp_path / "images" / "a.jpg", IMAGE)
    stored = RNG.choice(np.array([0, 1, 91, 182], np.uint8), (6, 8))
    scipy_io.savemat(tmp_path / "annotations" / "a.mat", {"S": stored})
    (tmp_path / "imageLists" / "test.txt").write_text("a\n")
    _, labels = open_dataset("cocostuff", tmp_path, "val")[0]
    assert {(int(s), int(i)) for s, i in zip(stored.flat, labels.flat, strict=True)} <= {
        (0, 255), (1, 0), (91, 90), (182, 181)
    }  # fmt: skip
    with pytest.raises(DatasetError, match=r"train\.txt: no such file"):
        open_dataset("cocostuff", tmp_path, "train")
    (tmp_path / "annotations" / "a.mat").write_bytes(b"MATLAB 5.0 cut")
    with pytest.raises(DatasetError, match=r"a\.mat: not a COCO-Stuff annotation"):
        open_dataset("cocostuff", tmp_path, "val")[0]
    scipy_io.savemat(tmp_path / "annotations" / "a.mat", {"S": stored.astype(np.uint16) + 182})
    with pytest.raises(DatasetError, match=r"a\.mat: field S is \(6, 8\) of"):
        open_dataset("cocostuff", tmp_path, "val")[0]
    (tmp_path / "imageLists" / "test.txt").write_text("a\nb\n")
    with pytest.raises(DatasetError, match=r"b\.jpg: missing"):
        open_dataset("cocostuff", tmp_path, "val")


def test_every_defect_names_its_file(segnet):
    root, ids = segnet
    dataset = open_dataset("camvid", root, "train")
    put(root / "train" / "labels" / "a.png", np.full((6, 8), 77, np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png: id 77 is none of the 11 classes"):
        dataset[0]
    put(root / "train" / "labels" / "a.png", ids[:3])
    with pytest.raises(DatasetError, match=r"a\.png: \(3, 8\) labels for an image of \(6, 8\)"):
        dataset[0]
    put(root / "train" / "labels" / "a.png", IMAGE)
    with pytest.raises(DatasetError, match=r"a\.png: .*one 8-bit channel"):
        dataset[0]
    (root / "train" / "images" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"a\.jpg: not a readable picture"):
        dataset[0]
    (root / "train" / "labels" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b\.png: missing"):
        open_dataset("camvid", root, "train")


def test_a_wrong_root_or_name(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere: no such folder"):
        open_dataset("camvid", tmp_path / "nowhere", "train")
    with pytest.raises(DatasetError, match=r"images: no such folder"):
        open_dataset("camvid", tmp_path, "train")
    with pytest.raises(DatasetError, match="camvid, cityscapes"):
        open_dataset("kitti", tmp_path, "train")
    (tmp_path / "train" / "images").mkdir(parents=True)
    (tmp_path / "train" / "labels").mkdir()
    with pytest.raises(DatasetError, match=r"images: no \* images"):
        open_dataset("camvid", tmp_path, "train")


def test_the_shared_camvid(shared):
    for split, count in (("train", 367), ("val", 101)):
        dataset = open_dataset("camvid", shared / "data" / "camvid", split)
        assert len(dataset) == count
        image, labels = dataset[0]
        assert (image.shape, labels.shape) == ((360, 480, 3), (360, 480))
