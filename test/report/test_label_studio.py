"""The Label Studio loop with its own converter: accepted predictions come back as brush PNGs and are trained on.

ICNET_LABEL_STUDIO names the Python of an environment with label-studio-sdk 2.1.2, which holds the converter:
python -m venv l; l/bin/pip install label-studio-sdk==2.1.2
ICNET_LABEL_STUDIO=l/bin/python pytest -m nightly test/report
"""

import json
import os
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
NUMBERS = range(1, 6)
# As Label Studio does for its export "Brush labels to PNG": one file for each label of a task.
THROUGH_THE_CONVERTER = """
import sys
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import convert_task_dir

config, tasks, out = sys.argv[1:]
converter = Converter(open(config).read(), out, download_resources=False)
convert_task_dir(converter.iter_from_json_file(tasks), out, out_format="png")
"""


def labels(seed):
    found = np.full((48, 64), 2, np.uint8)
    found[16:] = 0
    cv2.circle(found, (16 + 6 * seed, 24), 9, 1, cv2.FILLED)
    found[40:, :30] = 255
    return found


@pytest.mark.nightly
def test_what_its_converter_gives_back_is_trained_on(tmp_path, model):
    if not (python := os.environ.get("ICNET_LABEL_STUDIO")):
        pytest.skip("ICNET_LABEL_STUDIO names no environment with label-studio-sdk")
    writer = open_writer("label-studio", tmp_path / "annotation", "drive", CLASSES)
    returned = tmp_path / "returned"
    returned.mkdir()
    for number in NUMBERS:
        content = cv2.imencode(".jpg", np.full((48, 64, 3), 40 * number, np.uint8))[1].tobytes()
        writer.add(Prelabelled(str(number), ".jpg", content, labels(number), None))
        (returned / f"{number}.jpg").write_bytes(content)
    writer.close()
    tasks = json.loads((writer.folder / "tasks.json").read_text())
    for task in tasks:  # what the server makes of predictions that are accepted as they are
        number = int(task["data"]["image"].rpartition("/")[2].removesuffix(".jpg"))
        task["id"] = number
        task["annotations"] = [{"id": 10 + number, "completed_by": 1, "result": task.pop("predictions")[0]["result"]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    files = writer.folder / "label_config.xml", tmp_path / "export.json", returned
    subprocess.run([python, "-c", THROUGH_THE_CONVERTER, *map(str, files)], check=True, capture_output=True)
    app(["dataset", "convert", str(returned)], standalone_mode=False)
    found = {}
    for split in ("train", "val"):
        data = open_dataset(str(returned), None, split)
        names = data.classes.names
        for index, pair in enumerate(data.pairs):
            found[int(pair.image.stem)] = data.labels(index)
    order = np.full(256, 255, np.uint8)
    order[: len(names)] = [CLASSES.names.index(name) for name in names]
    assert found.keys() == set(NUMBERS)
    for number in NUMBERS:
        assert np.array_equal(order[found[number]], labels(number)), number
    (tmp_path / "r.yaml").write_text(
        "iterations: 1\nlearning_rate: 1.0e-4\nbatch: 2\nwidth: 0.25\ncrop: [32, 64]\nscale: [1.0, 1.0]\n"
        "validate_every: 1\n"
    )
    words = ("train", "--data", returned, "--recipe", tmp_path / "r.yaml", "--init", model, "-o", tmp_path / "run")
    app([str(word) for word in words], standalone_mode=False)
    assert (tmp_path / "run" / "best.safetensors").is_file()
