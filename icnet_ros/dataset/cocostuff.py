"""COCO-Stuff (Caesar et al.): the pixel maps of the 164k release, or PNGs of the 10k one."""

from pathlib import Path

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import Dataset, identity, pair_up, read_ids

LICENCE = "COCO-Stuff: CC BY 4.0; images under the terms of Flickr"


def cocostuff(root: Path, split: str) -> Dataset:
    """ROOT/images/SPLIT/*.jpg and ROOT/annotations/SPLIT/*.png of ids 0..181, 255 unlabelled.

    That is how "stuffthingmaps" comes; the .mat files of the 10k release hold the ids + 1.
    Raises DatasetError.
    """
    pairs = pair_up(root / "images" / split, root / "annotations" / split, lambda path: f"{path.stem}.png")
    return Dataset("cocostuff", split, load_classes("cocostuff"), pairs, read_ids(identity()), LICENCE)
