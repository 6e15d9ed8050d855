"""CamVid (Brostow et al.), in SegNet's layout of 11 classes and in the original one of 32 colours."""

from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import (
    Dataset,
    DatasetError,
    LabelReader,
    UInt8,
    identity,
    pair_up,
    read_ids,
    read_label_file,
)

LICENCE = "CamVid: non-commercial research and education"
VOID = 11
# Original class -> (RGB, SegNet class); the rest is void.
COLOURS: dict[str, tuple[tuple[int, int, int], str]] = {
    "Sky": ((128, 128, 128), "sky"),
    "Archway": ((192, 0, 128), "building"),
    "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"),
    "Tunnel": ((64, 0, 64), "building"),
    "Wall": ((64, 192, 0), "building"),
    "Column_Pole": ((192, 192, 128), "pole"),
    "TrafficCone": ((0, 0, 64), "pole"),
    "Road": ((128, 64, 128), "road"),
    "LaneMkgsDriv": ((128, 0, 192), "road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Sidewalk": ((0, 0, 192), "pavement"),
    "ParkingBlock": ((64, 192, 128), "pavement"),
    "RoadShoulder": ((128, 128, 192), "pavement"),
    "Tree": ((128, 128, 0), "tree"),
    "VegetationMisc": ((192, 192, 0), "tree"),
    "SignSymbol": ((192, 128, 128), "sign"),
    "Misc_Text": ((128, 128, 64), "sign"),
    "TrafficLight": ((0, 64, 64), "sign"),
    "Fence": ((64, 64, 128), "fence"),
    "Car": ((64, 0, 128), "car"),
    "SUVPickupTruck": ((64, 128, 192), "car"),
    "Truck_Bus": ((192, 128, 192), "car"),
    "Train": ((192, 64, 128), "car"),
    "OtherMoving": ((128, 64, 64), "car"),
    "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Animal": ((64, 128, 64), "pedestrian"),
    "Bicyclist": ((0, 128, 192), "bicyclist"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "Void": ((0, 0, 0), ""),
}


def camvid(root: Path, split: str) -> Dataset:
    """ROOT/SPLIT/images + ROOT/SPLIT/labels, either id PNGs (11 = void) or the original colours.

    Colour files may be called NAME_L.png, as in the original release. Raises DatasetError.
    """
    classes = load_classes("camvid")
    images, labels = root / split / "images", root / split / "labels"
    original = labels.is_dir() and any(labels.glob("*_L.png"))
    table = identity()
    table[VOID] = classes.ignore
    read_id_image = read_ids(table)
    pairs = pair_up(images, labels, lambda path: f"{path.stem}{'_L' if original else ''}.png", read_id_image)
    if read_label_file(pairs[0].label).values.ndim == 3:
        read_colour_image = _read_colours(classes.ignore)
        pairs = [pair._replace(read=read_colour_image) for pair in pairs]
    return Dataset("camvid", split, classes, pairs, LICENCE)


def _read_colours(ignore: int) -> LabelReader:
    names = load_classes("camvid").names
    # Lookup table over all 24-bit colours (16 MiB): a label image is converted by one indexing operation.
    table = np.full(1 << 24, VOID, np.uint8)
    known = np.zeros(1 << 24, bool)
    for (r, g, b), name in COLOURS.values():
        table[r << 16 | g << 8 | b] = names.index(name) if name else ignore
        known[r << 16 | g << 8 | b] = True

    def read(path: Path) -> UInt8:
        rgb = read_label_file(path).values
        if rgb.ndim != 3:
            raise DatasetError(f"{path}: not a picture of CamVid's colours, as the first label file is")
        code = rgb[..., 0].astype(np.uint32) << 16 | rgb[..., 1].astype(np.uint32) << 8 | rgb[..., 2]
        if not known[code].all():
            colour = code[~known[code]][0]
            wrong = (int(colour >> 16), int(colour >> 8 & 255), int(colour & 255))
            raise DatasetError(f"{path}: colour {wrong} (RGB) is not one of CamVid's 32 colours")
        labels: UInt8 = table[code]
        return labels

    return read
