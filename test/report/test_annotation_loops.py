"""What is exported for a tool comes back through that tool's own library as it was, and is trained on.

The libraries do not fit into the environment of the tests. A variable names the Python of one that holds them:
python -m venv d; d/bin/pip install datumaro==1.13.12           (ICNET_DATUMARO=d/bin/python)
python -m venv l; l/bin/pip install label-studio-sdk==2.1.2     (ICNET_LABEL_STUDIO=l/bin/python)
ICNET_DATUMARO=d/bin/python ICNET_LABEL_STUDIO=l/bin/python pytest -m nightly test/report
"""

import json
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

pytestmark = pytest.mark.nightly

CLASSES = ClassTable("yard", ("road", "tree", "sky"), ((128, 64, 128), (107, 142, 35), (70, 130, 180)))
NUMBERS = range(1, 6)
# As CVAT calls it: labels of the task by name, with its colours, and a label `background` of pixels without one.
THROUGH_DATUMARO = """
import sys
from datumaro.components.dataset import Dataset

colours = {"background": (0, 0, 0), "road": (128, 64, 128), "sky": (70, 130, 180), "tree": (107, 142, 35)}
label_map = {name: [colour, [], []] for name, colour in colours.items()}
dataset = Dataset.import_from(sys.argv[1], "voc_segmentation")
dataset.export(sys.argv[2], "voc_segmentation", label_map=label_map, apply_colormap=True, save_media=False)
"""
# As Label Studio does for its export "Brush labels to PNG": one file for each label of a task.
THROUGH_LABEL_STUDIO = """
import sys
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import convert_task_dir

config, tasks, out = sys.argv[1:]
converter = Converter(open(config).read(), out, download_resources=False)
convert_task_dir(converter.iter_from_json_file(tasks), out, out_format="png")
"""


def python_of(variable):
    if not (python := os.environ.get(variable)):
        pytest.skip(f"{variable} names no environment with the tool's library")
    return python


def labels(number):
    found = np.full((48, 64), 2, np.uint8)
    found[16:] = 0
    cv2.circle(found, (14 + 6 * number, 24), 9, 1, cv2.FILLED)
    found[40:, :30] = 255
    return found


def jpeg(number):
    return cv2.imencode(".jpg", np.full((48, 64, 3), 40 * number, np.uint8))[1].tobytes()


def exported(tool, folder):
    writer = open_writer(tool, folder, "drive", CLASSES)
    for number in NUMBERS:
        writer.add(Prelabelled(str(number), ".jpg", jpeg(number), labels(number), None))
    writer.close()
    return writer.folder


def check(folder, tmp_path, model, names, notes):
    """The dataset in `folder` has these class names and notes, every pixel is as it was, and it is trained on."""
    found = {}
    for split in ("train", "val"):
        data = open_dataset(str(folder), None, split)
        assert set(data.classes.names) == set(CLASSES.names)
        assert names is None or data.classes.names == names
        assert notes is None or data.notes == notes
        ids = np.full(256, 255, np.uint8)
        ids[: len(data.classes)] = [CLASSES.names.index(name) for name in data.classes.names]
        found |= {int(pair.image.stem): ids[data.labels(index)] for index, pair in enumerate(data.pairs)}
    assert found.keys() == set(NUMBERS)
    for number in NUMBERS:
        assert np.array_equal(found[number], labels(number)), number
    (tmp_path / "r.yaml").write_text(
        "iterations: 1\nlearning_rate: 1.0e-4\nbatch: 2\nwidth: 0.25\ncrop: [32, 64]\nscale: [1.0, 1.0]\n"
        "validate_every: 1\n"
    )
    words = ("train", "--data", folder, "--recipe", tmp_path / "r.yaml", "--init", model, "-o", tmp_path / "run")
    app([str(word) for word in words], standalone_mode=False)
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_cvats(tmp_path, model):
    """Through datumaro, the library that CVAT imports and exports with; the dataset.yaml stays as it is."""
    python = python_of("ICNET_DATUMARO")
    folder, returned = exported("cvat", tmp_path / "annotation"), tmp_path / "returned"
    described = (folder / "dataset.yaml").read_text()
    subprocess.run([python, "-c", THROUGH_DATUMARO, str(folder), str(returned)], check=True, capture_output=True)
    for name in ("SegmentationClass", "SegmentationObject", "ImageSets"):
        shutil.rmtree(folder / name)
        shutil.copytree(returned / name, folder / name)
    shutil.copy(returned / "labelmap.txt", folder / "labelmap.txt")
    assert (folder / "dataset.yaml").read_text() == described
    check(folder, tmp_path, model, names=CLASSES.names, notes=())


def test_label_studios(tmp_path, model):
    """Accepted predictions, made brush PNGs by its own converter."""
    python = python_of("ICNET_LABEL_STUDIO")
    folder, returned = exported("label-studio", tmp_path / "annotation"), tmp_path / "returned"
    returned.mkdir()
    for number in NUMBERS:
        (returned / f"{number}.jpg").write_bytes(jpeg(number))
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:  # what the server makes of predictions that are accepted as they are
        number = int(task["data"]["image"].rpartition("/")[2].removesuffix(".jpg"))
        task["id"] = number
        task["annotations"] = [{"id": 10 + number, "completed_by": 1, "result": task.pop("predictions")[0]["result"]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    files = folder / "label_config.xml", tmp_path / "export.json", returned
    subprocess.run([python, "-c", THROUGH_LABEL_STUDIO, *map(str, files)], check=True, capture_output=True)
    app(["dataset", "convert", str(returned)], standalone_mode=False)
    check(returned, tmp_path, model, names=None, notes=None)
