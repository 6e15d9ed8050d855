"""From a drive to training data and back: export, correct, train, evaluate."""

import io
import json

import cv2
import numpy as np
import pytest
from drives import icnet, make_bag, pictures
from PIL import ExifTags, Image

from icnet_ros.dataset.table import open_dataset
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine
from icnet_ros.report.annotation.table import unused_folder
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import COMPRESSED_IMAGE
from icnet_ros.wire.image import encode_compressed, make_header

RECIPE = "iterations: 2\nbatch: 2\nwidth: 0.25\ncrop: [64, 64]\nscale: [1.0, 1.0]\nvalidate_every: 2\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny, model):
    folder = tmp_path_factory.mktemp("export")
    bag = make_bag(folder / "bag", open_engine("torch", tiny, EngineOptions("cpu")))
    words = ("--out", folder / "out", "--engine", "torch", "--model", model, "--no-video")
    assert icnet("replay", bag, *words, "--export-worst", "3", "--export-every", "4") == 0
    return folder / "out"


def test_the_worst_and_every_nth_frame_are_exported(exported):
    report = json.loads((exported / "report.json").read_text())
    numbers = {entry["number"] for entry in report["worst"][:3]} | {0, 4, 8}
    folder = exported / "annotation"
    names = sorted(f"bag_{number:06d}" for number in numbers)
    for kind, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png"), ("SegmentationIds", "png")):
        assert sorted(path.name for path in (folder / kind).iterdir()) == [f"{name}.{suffix}" for name in names]
    assert (folder / "ImageSets" / "Segmentation" / "default.txt").read_text().split() == names
    lines = ["background:0,0,0::", "road:128,64,128::", "car:0,0,142::", "sky:70,130,180::"]
    assert (folder / "labelmap.txt").read_text().splitlines()[1:] == lines


def test_the_labels_are_those_of_the_replay(exported):
    data = open_dataset(str(exported / "annotation" / "dataset.yaml"), None, "train")
    for index, pair in enumerate(data.pairs):
        number = int(pair.image.stem.rpartition("_")[2])
        stored = cv2.imread(str(exported / "labels" / f"{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        ids = cv2.imread(
            str(exported / "annotation" / "SegmentationIds" / f"{pair.image.stem}.png"), cv2.IMREAD_UNCHANGED
        )
        assert np.array_equal(data[index][1], stored)
        assert np.array_equal(ids, stored)


def test_an_image_that_viewers_would_turn_is_exported_as_the_network_saw_it(model, tmp_path):
    """The labels lie on the pixels as they are stored, annotation tools obey EXIF data."""
    bgr, content = next(pictures()), io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(bgr[..., ::-1]).save(content, "JPEG", exif=exif)
    message = encode_compressed(make_header(1, "cam"), np.frombuffer(content.getvalue(), np.uint8), "jpeg")
    writer = BagWriter(tmp_path / "bag", [("/cam/compressed", COMPRESSED_IMAGE)])
    writer.write("/cam/compressed", message, 1)
    writer.close()
    words = ("--out", tmp_path / "out", "--engine", "torch", "--model", model, "--no-video", "--export-every", "1")
    assert icnet("replay", tmp_path / "bag", *words) == 0
    image, labels = open_dataset(str(tmp_path / "out" / "annotation" / "dataset.yaml"), None, "train")[0]
    assert image.shape[:2] == labels.shape == bgr.shape[:2]
    assert np.abs(image.astype(int) - bgr).mean() < 10


def test_corrected_labels_are_trained_on_and_evaluated(exported, model, tmp_path):
    folder = exported / "annotation"
    first = min((folder / "SegmentationClass").iterdir())
    corrected = cv2.imread(str(first))
    corrected[:10], corrected[10:20] = (0, 0, 0), (142, 0, 0)  # unlabelled; car, BGR
    cv2.imwrite(str(first), corrected)
    data = open_dataset(str(folder / "dataset.yaml"), None, "train")
    assert (data[0][1][:10] == 255).all()
    assert (data[0][1][10:20] == 1).all()
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    words = ("--data", folder / "dataset.yaml", "--recipe", tmp_path / "recipe.yaml", "--init", model)
    assert icnet("train", *words, "-o", tmp_path / "run") == 0
    checkpoint = tmp_path / "run" / "best.safetensors"
    assert icnet("evaluate", "--data", folder / "dataset.yaml", "--model", checkpoint) == 0


def test_a_second_export_leaves_the_first_alone(tmp_path):
    assert unused_folder(tmp_path / "annotation") == tmp_path / "annotation"
    (tmp_path / "annotation" / "JPEGImages").mkdir(parents=True)
    assert unused_folder(tmp_path / "annotation") == tmp_path / "annotation-2"
