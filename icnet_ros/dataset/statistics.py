"""What the labels of a dataset contain, and what about it looks wrong."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.dataset.label_files import ZERO_HINT

Counts = npt.NDArray[np.int64]
IGNORED_SHARE = 0.01  # of all pixels; less is borders between regions
FRAME_SHARE = 0.9  # of the outermost pixels


@dataclass
class LabelStatistics:
    """Counts over label maps, each (256,) by id.

    pixels. images: label maps with that id. rows: sum of the rows of its pixels, as shares of the height. frames: label
    maps whose outermost pixels mostly have that id, though less than half of all their pixels have it.
    """

    count: int = 0
    pixels: Counts = field(default_factory=lambda: np.zeros(256, np.int64))
    images: Counts = field(default_factory=lambda: np.zeros(256, np.int64))
    frames: Counts = field(default_factory=lambda: np.zeros(256, np.int64))
    rows: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))

    def update(self, labels: npt.NDArray[np.uint8]) -> Counts:
        """Take in the ids of an image, uint8 (H, W); its pixels by id."""
        height, width = labels.shape
        found = id_counts(labels)
        thin = labels[:: max(1, height // 32), :: max(1, width // 32)]  # enough for a mean place
        places = (np.arange(len(thin))[:, None] + 0.5) / len(thin)
        small = np.bincount(thin.reshape(-1), minlength=256)
        heights = np.bincount(thin.reshape(-1), np.broadcast_to(places, thin.shape).reshape(-1), 256)
        self.rows += np.divide(heights * found, small, out=np.zeros(256), where=small > 0)
        edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        framing = np.bincount(edge, minlength=256) >= FRAME_SHARE * edge.size
        self.frames += framing & (found < labels.size / 2)
        self.pixels += found
        self.images += found > 0
        self.count += 1
        return found

    def place(self, index: int) -> str:
        """Where in the images the pixels of an id are: "top", "middle", "bottom", "" for none."""
        if not self.pixels[index]:
            return ""
        return ("top", "middle", "bottom")[min(2, int(3 * self.rows[index] / self.pixels[index]))]

    def warnings(self, classes: ClassTable, split: str) -> list[str]:
        """What looks wrong, with a remedy where it can be known."""
        found = absent_classes(classes, self.pixels, split)
        name = classes.names[0]
        if self.frames[0] > max(1, self.images[0] // 2):
            found.append(
                f"{split}: id 0 ({name}) frames {self.frames[0]} of {self.images[0]} images: {ZERO_HINT}, or "
                "`mapping: {0: ignore, ...}`"
            )
        return found


def id_counts(labels: npt.NDArray[np.uint8]) -> Counts:
    """Pixels by id (256,)."""
    return np.bincount(labels.reshape(-1), minlength=256)


def absent_classes(classes: ClassTable, pixels: Counts, split: str) -> list[str]:
    """A warning if classes have no pixel: they are not learned, and scores leave them out. pixels: (256,) by id."""
    absent = [name for index, name in enumerate(classes.names) if not pixels[index]]
    if not absent:
        return []
    what = (
        f"{split}: class {absent[0]} has no pixel" if len(absent) == 1 else f"{split}: no pixel of {', '.join(absent)}"
    )
    return [f"{what}; what has no pixel is not learned, and mIoU leaves it out{_remedy(classes, pixels, absent)}"]


def _remedy(classes: ClassTable, pixels: Counts, absent: list[str]) -> str:
    ignored = pixels[classes.ignore] / max(1, pixels.sum())
    if len(absent) == 1 and ignored >= IGNORED_SHARE:
        ids = [f"{classes.ignore if name in absent else index}: {name}" for index, name in enumerate(classes.names)]
        shown = ids if len(ids) <= 4 else [*ids[:2], "...", f"{classes.ignore}: {absent[0]}"]
        return (
            f". {ignored:.1%} of the pixels are {classes.ignore}, which counts nowhere: if that is {absent[0]} in "
            f"these files, `mapping: {{{', '.join(shown)}}}`"
        )
    if absent[-1] == classes.names[-1] and pixels[0] and len(absent) < len(classes) / 2:
        return f". Are the ids shifted by one? {ZERO_HINT[0].upper()}{ZERO_HINT[1:]}"
    return ""
