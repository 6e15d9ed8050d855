"""CVAT's format "Segmentation mask 1.1" (Pascal VOC), and a dataset.yaml that `icnet train` takes."""

from itertools import product
from pathlib import Path

import yaml

from icnet_ros.checkpoint.classes import ClassTable, Colour
from icnet_ros.dataset.labelmap import voc_colour
from icnet_ros.render.painter import Painter
from icnet_ros.report.annotation.base import AnnotationWriter, Prelabelled
from icnet_ros.report.errors import AnnotationError
from icnet_ros.wire.image import png_file

BACKGROUND, UNLABELLED = "background", "unlabelled"


class CvatWriter(AnnotationWriter):
    """JPEGImages: the images, as they are. SegmentationClass: the labels in the colours of labelmap.txt.

    SegmentationObject: one object for each class, so that CVAT makes none of unlabelled pixels. SegmentationIds: class
    ids, for other tools. ImageSets/Segmentation/default.txt: the names.
    """

    def __init__(self, folder: Path, name: str, classes: ClassTable) -> None:
        super().__init__(folder, name, classes)
        if split := [one for one in classes.names if ":" in one]:
            raise AnnotationError(
                f"CVAT's label map ends a name at ':', so it cannot have {split[0]!r}: rename it, "
                "or export for another tool"
            )
        self._unlabelled = _unused_colour(classes)
        # CVAT's own name for it, which it accepts in projects that have no such label.
        self._background = UNLABELLED if BACKGROUND in classes.names else BACKGROUND
        painted = [self._unlabelled] * 256
        painted[: len(classes)] = classes.colours
        self._painter = Painter(painted)
        self._objects = Painter([voc_colour(index + 1) for index in range(len(classes))])
        self._names: list[str] = []

    def add(self, picture: Prelabelled) -> None:
        """See AnnotationWriter."""
        name, labels = f"{picture.name}.png", picture.labels
        self.write(f"JPEGImages/{picture.file_name}", picture.content)
        self.write(f"SegmentationClass/{name}", png_file(self._painter.colour(labels)).tobytes())
        self.write(f"SegmentationObject/{name}", png_file(self._objects.colour(labels)).tobytes())
        self.write(f"SegmentationIds/{name}", png_file(labels).tobytes())
        self._names.append(picture.name)

    def close(self) -> None:
        """See AnnotationWriter."""
        # First, as in CVAT's exports: datumaro paints what has no annotation in the colour of the first line.
        pairs = [(self._background, self._unlabelled), *zip(self.classes.names, self.classes.colours, strict=True)]
        lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in pairs]
        self.write("labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *lines, ""]).encode())
        self.write("ImageSets/Segmentation/default.txt", "\n".join([*self._names, ""]).encode())
        source = {
            "images": "JPEGImages",
            "labels": "SegmentationClass",
            "labelmap": "labelmap.txt",
            "mapping": {self._background: "ignore"},
            "missing_labels": "skip",
        }
        described = {
            "name": self.name,
            "classes": self.classes.to_dict(),
            "splits": {"train": [source], "val": [source]},
        }
        self.write("dataset.yaml", yaml.safe_dump(described, sort_keys=False).encode())


def _unused_colour(classes: ClassTable) -> Colour:
    """Black, or another colour if a class has it."""
    candidates = ((red, green, blue) for red, green, blue in product((0, 255, 128), repeat=3))
    return next(colour for colour in candidates if colour not in classes.colours)
