"""CVAT's "Segmentation mask 1.1" and Pascal VOC: JPEGImages, SegmentationClass, ImageSets."""

from pathlib import Path

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    fold_background,
    id_mapping,
    pictures,
    split_of,
    with_validation,
)
from icnet_ros.dataset.labelmap import read_labelmap
from icnet_ros.files import read_text

# The challenge's order; ids are the places, 0 is background and 255 the border between objects.
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def _recognise(folder: Path) -> bool:
    return (folder / "SegmentationClass").is_dir()


def _describe(request: Request) -> Description:
    folder, labelmap = request.folder, request.folder / "labelmap.txt"
    if not pictures(folder / "JPEGImages", "**/*"):
        raise DatasetError(f"{folder / 'JPEGImages'}: no images; export again with images, or copy them there")
    deep = any(path.is_dir() for path in (folder / "JPEGImages").iterdir())
    source: Values = {"images": "JPEGImages", "labels": "SegmentationClass", "missing_labels": "skip"}
    if deep:
        source["pattern"] = "**/*"
    if labelmap.is_file():
        stored = {one.name: one.colour for one in read_labelmap(labelmap)}
        folded = fold_background(list(stored), request)
        table = class_table(folded.names, {name: colour for name, colour in stored.items() if colour})
        source |= (
            {"labelmap": "labelmap.txt", "mapping": folded.mapping} if folded.mapping else {"labelmap": "labelmap.txt"}
        )
    else:
        folded, mapping = id_mapping(list(enumerate(VOC)), request)
        table = class_table(folded.names)
        source["mapping"] = mapping
    return Description(table, with_validation(_splits(folder, source)), notes=folded.notes)


def _splits(folder: Path, source: Values) -> dict[str, list[Values]]:
    """A source for each list of names in ImageSets; trainval is the others together."""
    lists = sorted((folder / "ImageSets" / "Segmentation").glob("*.txt"))
    lists = [path for path in lists if read_text(path).strip() and path.stem.lower() != "trainval"]
    splits: dict[str, list[Values]] = {}
    for path in lists:
        entry = {**source, "list": path.relative_to(folder).as_posix()}
        splits.setdefault(split_of(path.stem), []).append(entry)
    return splits or {"": [source]}


FORMATS = (Format("voc", "CVAT Segmentation mask 1.1, Pascal VOC", _recognise, _describe),)
