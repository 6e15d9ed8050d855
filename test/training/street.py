"""A drawn street with exact labels: what a training has to be able to learn."""

from pathlib import Path

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.dataset.base import Dataset, identity, pair_up, read_ids

CLASSES = ClassTable(
    "street",
    ("sky", "building", "road", "car"),
    ((70, 130, 180), (70, 70, 70), (128, 64, 128), (0, 0, 142)),
)
COLOURS = np.array([(200, 160, 120), (60, 90, 140), (90, 90, 90), (40, 40, 200)], np.float32)  # BGR


def draw(rng, height=96, width=128):
    labels = np.zeros((height, width), np.uint8)
    horizon = int(height * rng.uniform(0.35, 0.55))
    for _ in range(4):
        x, w, h = rng.integers(0, width), rng.integers(20, 50), rng.integers(10, horizon)
        cv2.rectangle(labels, (int(x), horizon - int(h)), (int(x + w), horizon), 1, cv2.FILLED)
    cv2.rectangle(labels, (0, horizon), (width, height), 2, cv2.FILLED)
    for _ in range(2):
        x, y = rng.integers(0, width - 30), rng.integers(horizon, height - 20)
        cv2.rectangle(labels, (int(x), int(y)), (int(x) + 28, int(y) + 16), 3, cv2.FILLED)
    image = COLOURS[labels] * rng.uniform(0.8, 1.2) + rng.normal(0, 12, (height, width, 3))
    labels[:2] = 255
    return np.clip(image, 0, 255).astype(np.uint8), labels


def street(root: Path, split: str, count: int, seed: int) -> Dataset:
    """A dataset of `count` drawn streets below `root`."""
    rng = np.random.default_rng(seed)
    folders = root / split / "images", root / split / "labels"
    for number in range(count):
        for folder, pixels in zip(folders, draw(rng), strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
    pairs = pair_up(*folders, lambda path: path.name, read_ids(identity()))
    return Dataset("street", split, CLASSES, pairs, "drawn, no terms")


def draw_camvid(root: Path) -> None:
    """Drawn streets in the layout of CamVid, ids of its table: sky, building, road, car."""
    ids = np.arange(256, dtype=np.uint8)
    ids[[2, 3, 255]] = 3, 8, 11
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for number in range(count):
            image, labels = draw(rng)
            for folder, pixels in (("images", image), ("labels", ids[labels])):
                (root / split / folder).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / split / folder / f"{number:03d}.png"), pixels)
