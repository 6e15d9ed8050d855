"""COCO-Stuff (Caesar et al.): the pixel maps of the 164k release, and the .mat files of the 10k one."""

from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import Dataset, DatasetError, Pair, UInt8, identity, pair_up, read_ids
from icnet_ros.files import read_text
from icnet_ros.packages import advice

LICENCE = "COCO-Stuff: CC BY 4.0; images under the terms of Flickr"


def cocostuff(root: Path, split: str) -> Dataset:
    """Either release; the 10k release is recognised by its folder ROOT/imageLists.

    164k: ROOT/images/SPLIT/*.jpg and ROOT/annotations/SPLIT/*.png ("stuffthingmaps") of ids 0..181,
    255 unlabelled; "train" and "val" also find train2017 and val2017.
    10k: ROOT/images/*.jpg, ROOT/annotations/*.mat and ROOT/imageLists/SPLIT.txt; its "val" is test.
    Raises DatasetError.
    """
    classes = load_classes("cocostuff")
    if (root / "imageLists").is_dir():
        return Dataset("cocostuff", split, classes, _listed(root, split), LICENCE)
    folder = split if (root / "images" / split).is_dir() or split not in ("train", "val") else f"{split}2017"
    folders = root / "images" / folder, root / "annotations" / folder
    pairs = pair_up(*folders, lambda path: f"{path.stem}.png", read_ids(identity()))
    return Dataset("cocostuff", split, classes, pairs, LICENCE)


def _listed(root: Path, split: str) -> list[Pair]:
    names = root / "imageLists" / f"{'test' if split == 'val' else split}.txt"
    if not names.is_file():
        raise DatasetError(f"{names}: no such file; the 10k release has splits train, test and all")
    pairs = [
        Pair(root / "images" / f"{name}.jpg", root / "annotations" / f"{name}.mat", _read_mat)
        for name in read_text(names).split()
    ]
    if not pairs:
        raise DatasetError(f"{names}: lists no image")
    for path in (path for pair in pairs for path in (pair.image, pair.label)):
        if not path.is_file():
            raise DatasetError(f"{path}: missing, {names} lists it")
    return pairs


def _read_mat(path: Path) -> UInt8:
    """Ids 0..181 from field S, which holds 1..182 and 0 for unlabelled."""
    try:
        from scipy.io import loadmat

        ids = np.asarray(loadmat(path)["S"])
    except ModuleNotFoundError as err:
        raise DatasetError(advice(f"{path}: reading .mat files", "scipy")) from err
    except Exception as err:  # scipy raises whatever it stumbles over
        raise DatasetError(f"{path}: not a COCO-Stuff annotation ({type(err).__name__}: {err})") from err
    if ids.ndim != 2 or ids.min() < 0 or ids.max() > 182:
        raise DatasetError(f"{path}: field S is {ids.shape} of {ids.min()}..{ids.max()}, not (H, W) of 0..182")
    return (ids.astype(np.int16) - 1).astype(np.uint8)  # 0 becomes 255
