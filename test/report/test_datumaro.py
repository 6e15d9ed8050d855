"""The CVAT loop with datumaro, the library that CVAT imports and exports with: what comes back is trained on as it is.

ICNET_DATUMARO names the Python of an environment with datumaro 1.13.12, which does not fit into the one of the tests:
python -m venv d; d/bin/pip install datumaro==1.13.12; ICNET_DATUMARO=d/bin/python pytest -m nightly test/report
"""

import os
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.command.main import app
from icnet_ros.dataset.table import open_dataset
from icnet_ros.report.annotation.base import Prelabelled
from icnet_ros.report.annotation.table import open_writer

CLASSES = ClassTable("yard", ("road", "tree", "sky"), ((128, 64, 128), (107, 142, 35), (70, 130, 180)))
NAMES = ("a", "b", "c", "d", "e")
# As CVAT calls it: labels of the task by name, with its colours, and a label `background` of pixels without one.
THROUGH_DATUMARO = """
import sys
from datumaro.components.dataset import Dataset

colours = {"background": (0, 0, 0), "road": (128, 64, 128), "sky": (70, 130, 180), "tree": (107, 142, 35)}
label_map = {name: [colour, [], []] for name, colour in colours.items()}
dataset = Dataset.import_from(sys.argv[1], "voc_segmentation")
dataset.export(sys.argv[2], "voc_segmentation", label_map=label_map, apply_colormap=True, save_media=False)
"""


def labels(seed):
    found = np.full((48, 64), 2, np.uint8)
    found[16:] = 0
    cv2.circle(found, (20 + 6 * seed, 24), 9, 1, cv2.FILLED)
    found[40:, :30] = 255
    return found


@pytest.mark.nightly
def test_what_datumaro_gives_back_is_trained_on(tmp_path, model):
    if not (python := os.environ.get("ICNET_DATUMARO")):
        pytest.skip("ICNET_DATUMARO names no environment with datumaro")
    writer = open_writer("cvat", tmp_path / "annotation", "drive", CLASSES)
    for number, name in enumerate(NAMES):
        content = cv2.imencode(".jpg", np.full((48, 64, 3), 40 * number, np.uint8))[1].tobytes()
        writer.add(Prelabelled(name, ".jpg", content, labels(number), None))
    writer.close()
    folder, returned = writer.folder, tmp_path / "returned"
    described = (folder / "dataset.yaml").read_text()
    subprocess.run([python, "-c", THROUGH_DATUMARO, str(folder), str(returned)], check=True, capture_output=True)
    for name in ("SegmentationClass", "SegmentationObject", "ImageSets"):
        shutil.rmtree(folder / name)
        shutil.copytree(returned / name, folder / name)
    shutil.copy(returned / "labelmap.txt", folder / "labelmap.txt")
    assert (folder / "dataset.yaml").read_text() == described
    found = {}
    for split in ("train", "val"):
        data = open_dataset(str(folder), None, split)
        assert data.classes.names == CLASSES.names
        assert data.notes == ()
        found |= {pair.image.stem: data.labels(index) for index, pair in enumerate(data.pairs)}
    assert found.keys() == set(NAMES)
    for number, name in enumerate(NAMES):
        assert np.array_equal(found[name], labels(number)), name
    (tmp_path / "r.yaml").write_text(
        "iterations: 1\nbatch: 1\nwidth: 0.25\ncrop: [32, 64]\nscale: [1.0, 1.0]\nvalidate_every: 1\n"
    )
    words = ("train", "--data", folder, "--recipe", tmp_path / "r.yaml", "--init", model, "-o", tmp_path / "run")
    app([str(word) for word in words], standalone_mode=False)
    assert (tmp_path / "run" / "best.safetensors").is_file()
