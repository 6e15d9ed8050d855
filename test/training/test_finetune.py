"""The worked example of docs/training.md: a few images with classes of one's own, from the shipped checkpoint."""

import json
import sys

import cv2
import numpy as np
import pytest
import yaml
from street import CLASSES, draw

from icnet_ros.checkpoint.default import model_path
from icnet_ros.checkpoint.file import load_spec
from icnet_ros.command.main import main

CLASSES_OF_MINE = [("road", (128, 64, 128)), ("building", (70, 70, 70)), ("kart", (220, 20, 60))]
RECIPE = """
iterations: 100
batch: 4
crop: [96, 128]
scale: [0.9, 1.3]
learning_rate: 0.02
warm_up: 10
nesterov: true
class_balance: log
ema: 0.9
validate_every: 50
"""


def icnet(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["icnet", *map(str, words)])
        try:
            return main()
        except SystemExit as stop:
            return stop.code


def test_twenty_images_are_enough_for_classes_of_ones_own(tmp_path):
    """Labels are colours with a labelmap; `kart` is new, sky counts nowhere."""
    if model_path("") is None:
        pytest.skip("no checkpoint is shipped")
    rng = np.random.default_rng(0)
    colours = np.array([*CLASSES.colours, (0, 0, 0)], np.uint8)
    for number in range(25):
        image, labels = draw(rng)
        for kind, pixels in (("images", image), ("labels", colours[np.where(labels == 255, 4, labels)][..., ::-1])):
            folder = tmp_path / ("train" if number < 20 else "val") / kind
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{number:02d}.png"), pixels)
    lines = [
        f"{name}:{','.join(map(str, colour))}::" for name, colour in zip(CLASSES.names, CLASSES.colours, strict=True)
    ]
    (tmp_path / "labelmap.txt").write_text("\n".join(["void:0,0,0::", *lines]))
    mapping = {"void": "ignore", "sky": "ignore", "car": "kart"}
    sources = {
        split: [
            {"images": f"{split}/images", "labels": f"{split}/labels", "labelmap": "labelmap.txt", "mapping": mapping}
        ]
        for split in ("train", "val")
    }
    table = {"classes": [{"name": name, "colour": list(colour)} for name, colour in CLASSES_OF_MINE]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"classes": table, "splits": sources}))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    words = ("--data", tmp_path / "mine.yaml", "--recipe", tmp_path / "recipe.yaml", "--init", model_path(""))
    assert icnet("train", *words, "-o", tmp_path / "run") == 0
    checkpoint = tmp_path / "run" / "best.safetensors"
    assert load_spec(checkpoint).classes.names == ("road", "building", "kart")
    assert (
        icnet("evaluate", "--data", tmp_path / "mine.yaml", "--model", checkpoint, "--json", tmp_path / "s.json") == 0
    )
    figures = json.loads((tmp_path / "s.json").read_text())
    assert figures["exits"]["sub124"]["miou"] > 0.8, figures
