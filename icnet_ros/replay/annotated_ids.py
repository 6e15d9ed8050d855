"""Ground truth whose ids are not those of the classes."""

from collections.abc import Callable

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.metrics.frame import UInt8


class AnnotatedIds:
    """Warns of ids in ground truth that are no class: they count nowhere, and the others may mean other classes."""

    def __init__(self, classes: ClassTable, warn: Callable[[str, int], None], remedy: str) -> None:
        """classes: whose ids the ground truth should have. warn: takes a text and a place, see DataWarning.

        remedy: how to give the class of each id.
        """
        self._classes, self._warn, self._remedy = classes, warn, remedy
        self._first = -1

    def check(self, labels: UInt8, place: int) -> None:
        """Look at a label map, uint8 (H, W)."""
        counts = cv2.calcHist([np.ascontiguousarray(labels)], [0], None, [256], [0, 256]).reshape(-1)
        counts[: len(self._classes)] = counts[self._classes.ignore] = 0
        found = np.flatnonzero(counts)
        if not found.size:
            return
        if self._first < 0:
            self._first = int(found[0])
        self._warn(
            f"the ground truth has ids that are no class of {self._classes.name}, such as {self._first}; they count "
            "nowhere. If it has the ids of another label set, the others mean other classes, too: give the class of "
            f"each id with {self._remedy}, lines of the form `{self._first}: {self._classes.names[0]}` or "
            f"`{self._first}: ignore`",
            place,
        )
