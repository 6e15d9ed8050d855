"""All formats, and which of them a folder has."""

from pathlib import Path

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats import coco, folders, parquet, voc, yolo
from icnet_ros.dataset.formats.base import Format
from icnet_ros.dataset.formats.public import cityscapes, nuimages, offroad, street
from icnet_ros.dataset.formats.tools import cvat, label_studio, labelme, roboflow, segments_ai, supervisely, via

MODULES = (
    voc,
    label_studio,
    roboflow,
    labelme,
    via,
    coco,
    cvat,
    supervisely,
    segments_ai,
    parquet,
    yolo,
    cityscapes,
    street,
    offroad,
    nuimages,
)
FORMATS: dict[str, Format] = {one.name: one for module in (*MODULES, folders) for one in module.FORMATS}
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".tfrecord")
UNPACK = "an archive: unpack it to pictures and label files, and take"
ANY = tuple(one.name for one in folders.FORMATS)  # only where nothing else is recognised


def find_format(folder: Path, name: str = "") -> Format:
    """The format called `name`, or the one that the folder has. Raises DatasetError if that is none or several."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: {f'{UNPACK} its folder' if folder.suffix in ARCHIVES else 'no such folder'}")
    if name:
        if name not in FORMATS:
            raise DatasetError(f"no format {name!r}; there are {', '.join(FORMATS)}")
        return FORMATS[name]
    found = [one for one in FORMATS.values() if one.name not in ANY and one.recognise(folder)]
    found = found or [FORMATS[name] for name in ANY if FORMATS[name].recognise(folder)]
    if not found:
        raise DatasetError(
            f"{folder}: not recognised as an export or a data set; known are "
            f"{', '.join(one.title for one in FORMATS.values())}. {_advice(folder)}"
        )
    if len(found) > 1:
        names = " or ".join(f"--format {one.name} ({one.title})" for one in found)
        raise DatasetError(f"{folder}: could be several things: choose {names}")
    return found[0]


def _advice(folder: Path) -> str:
    """What to do with a folder that is not recognised."""
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        if found := [one.title for one in FORMATS.values() if one.name not in ANY and one.recognise(below)]:
            return f"{below} is {found[0]}: take that folder"
    packed = sorted(path for path in folder.iterdir() if path.suffix in ARCHIVES or ".tfrecord" in path.name)
    if packed:
        return f"{packed[0].name} is {UNPACK} their folder"
    return "Is it the top folder of the export? Most other tools also export COCO or YOLO segmentation"
