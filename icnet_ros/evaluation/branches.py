"""What each branch of the cascade adds, as pictures: the paper's figures 6 and 7."""

import itertools
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.evaluate import Answer
from icnet_ros.render import Painter, UInt8, hold_beside, legend, write

ROWS = 4
CELL = 420  # pixels, width of one picture


class BranchPictures:
    """Collects some images of a set of `total`, with the answer of every exit."""

    def __init__(self, spec: ModelSpec, total: int) -> None:
        self._spec = spec
        self._painter = Painter(spec.classes.colours, "" if spec.trained else "UNTRAINED NETWORK")
        self._chosen = {round(place) for place in np.linspace(0, total - 1, min(ROWS, total))}
        self._seen = 0
        self._predictions: list[UInt8] = []
        self._differences: list[UInt8] = []

    def update(self, answer: Answer) -> None:
        """Look at one image; keeps some of them."""
        if self._seen in self._chosen:
            exits = list(answer.labels)
            overlays = [(name, self._painter.overlay(answer.image, answer.labels[name], 0.65)) for name in exits]
            truth = self._painter.colour(answer.truth)
            self._predictions.append(_row([("image", answer.image), *overlays, ("ground truth", truth)]))
            changes = []
            for coarse, fine in itertools.pairwise(exits):
                changed = (answer.labels[coarse] != answer.labels[fine]).astype(np.uint8) * 255
                changes.append((f"{fine} differs from {coarse}", cv2.cvtColor(changed, cv2.COLOR_GRAY2BGR)))
            self._differences.append(_row([("image", answer.image), *changes]))
        self._seen += 1

    def save(self, folder: Path) -> None:
        """Write branches.png (figure 6) and differences.png (figure 7, white = changed)."""
        strip = legend(self._spec.classes.names, self._spec.classes.colours, self._predictions[0].shape[1])
        cv2.imwrite(str(folder / "branches.png"), np.concatenate([*self._predictions, strip]))
        cv2.imwrite(str(folder / "differences.png"), np.concatenate(self._differences))


def _row(cells: list[tuple[str, UInt8]]) -> UInt8:
    pictures = []
    for title, picture in cells:
        size = CELL, round(picture.shape[0] * CELL / picture.shape[1])
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        write(small, title)
        pictures.append(cv2.copyMakeBorder(small, 0, 4, 0, 4, cv2.BORDER_CONSTANT, value=(32, 32, 32)))
    return hold_beside(pictures)
