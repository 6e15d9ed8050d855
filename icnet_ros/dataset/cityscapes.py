"""Cityscapes (Cordts et al.): leftImg8bit with gtFine or gtCoarse."""

from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import Dataset, pair_up, read_ids

LICENCE = "Cityscapes: non-commercial use, see its terms"
# labelIds that the benchmark counts, in the order of the 19 train ids.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def cityscapes(root: Path, split: str, annotation: str = "gtFine") -> Dataset:
    """ROOT/leftImg8bit/SPLIT/CITY and ROOT/gtFine (or gtCoarse)/SPLIT/CITY, *_labelIds.png.

    Raises DatasetError.
    """
    classes = load_classes("cityscapes")
    table = np.full(256, classes.ignore, np.uint8)
    table[list(LABEL_IDS)] = range(len(LABEL_IDS))

    def label(path: Path) -> str:
        stem = path.name.replace("leftImg8bit", f"{annotation}_labelIds")
        return f"{path.parent.name}/{stem}"

    folders = root / "leftImg8bit" / split, root / annotation / split
    pairs = pair_up(*folders, label, read_ids(table), pattern="*/*_leftImg8bit.png")
    return Dataset("cityscapes", split, classes, pairs, LICENCE)
