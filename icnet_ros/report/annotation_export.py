"""Frames of a drive with their predicted labels, for correction in an annotation tool and for training."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

import yaml

from icnet_ros.checkpoint.classes import ClassTable, Colour
from icnet_ros.render.painter import Painter
from icnet_ros.replay.frame_record import FrameRecord
from icnet_ros.report.outputs import Output, PaintedFrame
from icnet_ros.report.report_json import worst_first
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError, deserialise
from icnet_ros.wire.image import png_file
from icnet_ros.wire.picture_file import is_turned, picture_size

UNLABELLED = "unlabelled"
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}  # of files that annotation tools read


class AnnotationExport(Output):
    """FOLDER as CVAT's format "Segmentation mask 1.1" (Pascal VOC), and a dataset.yaml that `icnet train` takes.

    JPEGImages: the images, as recorded where they are JPEG or PNG files. SegmentationClass: the labels in the colours
    of labelmap.txt. SegmentationIds: the same as class ids, for other tools. ImageSets/Segmentation/default.txt: the
    names.
    """

    def __init__(
        self, folder: Path, drive: str, records: Sequence[FrameRecord], classes: ClassTable, *, worst: int, every: int
    ) -> None:
        """worst: number of frames with the lowest mIoU, or confidence without ground truth. every: each n-th, too."""
        figure = "miou" if any(len(record.ground_truth) for record in records) else "confidence"
        chosen = [*worst_first(records, figure)[:worst], *(records[::every] if every else ())]
        self._numbers = {record.number for record in chosen}
        self._folder, self._drive, self._classes = folder, drive, classes
        self._unlabelled = _unused_colour(classes)
        painted = [self._unlabelled] * 256
        painted[: len(classes)] = classes.colours
        self._painter = Painter(painted)
        self._names: list[str] = []

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        number = frame.frame.record.number
        if number not in self._numbers:
            return
        name = f"{self._drive}_{number:06d}"
        suffix, content = _image_file(frame)
        self._write("JPEGImages", name + suffix, content)
        self._write("SegmentationClass", f"{name}.png", png_file(self._painter.colour(frame.frame.labels)).tobytes())
        self._write("SegmentationIds", f"{name}.png", png_file(frame.frame.labels).tobytes())
        self._names.append(name)

    def close(self) -> None:
        """See Output. Writes the files that describe the folder."""
        if not self._names:
            return
        pairs = [*zip(self._classes.names, self._classes.colours, strict=True), (UNLABELLED, self._unlabelled)]
        lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in pairs]
        self._write("", "labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *lines, ""]).encode())
        self._write("ImageSets/Segmentation", "default.txt", "\n".join([*self._names, ""]).encode())
        source = {
            "images": "JPEGImages",
            "labels": "SegmentationClass",
            "labelmap": "labelmap.txt",
            "mapping": {UNLABELLED: "ignore"},
        }
        described = {
            "name": self._drive,
            "classes": self._classes.to_dict(),
            "splits": {"train": [source], "val": [source]},
        }
        self._write("", "dataset.yaml", yaml.safe_dump(described, sort_keys=False).encode())

    def _write(self, folder: str, name: str, content: bytes) -> None:
        path = self._folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def unused_folder(path: Path) -> Path:
    """`path`, or PATH-2, PATH-3, ...: labels of an earlier export may have been corrected by hand."""
    number, found = 2, path
    while found.exists() and any(found.iterdir()):
        number, found = number + 1, path.with_name(f"{path.name}-{number}")
    return found


def _image_file(frame: PaintedFrame) -> tuple[str, bytes]:
    """Suffix and content of the image: the recorded JPEG or PNG file, or else a PNG of the decoded image.

    Also a PNG if the recorded file names an orientation: annotation tools would turn the image, but not its labels.
    """
    if frame.frame.topic.kind == COMPRESSED_IMAGE:
        content = bytes(deserialise(frame.frame.message.data, COMPRESSED_IMAGE).data)
        with suppress(WireError):  # another format
            suffix = SUFFIXES.get(picture_size(content)[0])
            if suffix is not None and not is_turned(content):
                return suffix, content
    return ".png", png_file(frame.bgr).tobytes()


def _unused_colour(classes: ClassTable) -> Colour:
    """Black, or another colour if a class has it."""
    candidates = ((red, green, blue) for red, green, blue in product((0, 255, 128), repeat=3))
    return next(colour for colour in candidates if colour not in classes.colours)
