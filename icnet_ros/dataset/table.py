"""Datasets by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from icnet_ros.dataset.base import Dataset, DatasetError
from icnet_ros.dataset.camvid import camvid
from icnet_ros.dataset.cityscapes import cityscapes
from icnet_ros.dataset.cocostuff import cocostuff

DATASETS: dict[str, Callable[[Path, str], Dataset]] = {
    "camvid": camvid,
    "cityscapes": cityscapes,
    "cityscapes-coarse": partial(cityscapes, annotation="gtCoarse"),
    "cocostuff": cocostuff,
}


def open_dataset(name: str, root: Path, split: str) -> Dataset:
    """A split ("train", "val", ...) of a dataset below `root`. Raises DatasetError."""
    if name not in DATASETS:
        raise DatasetError(f"no dataset {name!r}; there are {', '.join(DATASETS)}")
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder")
    return DATASETS[name](root, split)
