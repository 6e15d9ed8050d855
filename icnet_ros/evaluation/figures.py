"""The paper's figures 6, 7 and 8: what each branch of the cascade adds."""

import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.prediction import Prediction
from icnet_ros.files import write_text
from icnet_ros.metrics.regions import BIN, BINS, RegionAccuracy
from icnet_ros.render.painter import Painter, UInt8, draw_banner, legend, side_by_side
from icnet_ros.wire.pictures.picture_file import write_picture

ROWS = 4
CELL = 420  # pixels, width of one picture


class PaperFigures:
    """Collects what the figures need from the predictions on a dataset of `total` images."""

    def __init__(self, spec: ModelSpec, total: int) -> None:
        self._spec = spec
        self._painter = Painter.for_network(spec.classes.colours, trained=spec.trained)
        self._chosen = {round(place) for place in np.linspace(0, total - 1, min(ROWS, total))}
        self._seen = 0
        self._predictions: list[UInt8] = []
        self._differences: list[UInt8] = []
        self._regions = RegionAccuracy(spec.exits, len(spec.classes))

    def update(self, prediction: Prediction) -> None:
        """Take in one image."""
        self._regions.update(prediction.ground_truth, prediction.labels)
        if self._seen in self._chosen:
            image, labels = prediction.image, prediction.labels
            overlays = [(name, self._painter.overlay(image, one, 0.65)) for name, one in labels.items()]
            ground_truth = self._painter.colour(prediction.ground_truth)
            self._predictions.append(_row([("image", image), *overlays, ("ground truth", ground_truth)]))
            changes = []
            for coarse, fine in itertools.pairwise(labels):
                changed = (labels[coarse] != labels[fine]).astype(np.uint8) * 255
                changes.append((f"{fine} differs from {coarse}", cv2.cvtColor(changed, cv2.COLOR_GRAY2BGR)))
            self._differences.append(_row([("image", image), *changes]))
        self._seen += 1

    def save(self, folder: Path) -> None:
        """Write the figures into a folder.

        branches.png: figure 6. differences.png: figure 7, white: changed. regions.json and, with several exits,
        regions.png: figure 8.
        """
        folder.mkdir(parents=True, exist_ok=True)
        strip = legend(self._spec.classes.names, self._spec.classes.colours, self._predictions[0].shape[1])
        write_picture(folder / "branches.png", np.concatenate([*self._predictions, strip]))
        write_picture(folder / "differences.png", np.concatenate(self._differences))
        regions = self._regions.report()
        write_text(folder / "regions.json", json.dumps(regions, indent=2) + "\n")
        if len(self._spec.exits) > 1:
            draw_regions(regions, folder / "regions.png")


def draw_regions(report: dict[str, Any], picture: Path) -> None:
    """The accuracy gains of RegionAccuracy.report as bars over region size, one panel each, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1 + 2.5 * len(report["gain"])), layout="constrained")
    panels = figure.subplots(len(report["gain"]), squeeze=False)[:, 0]
    for panel, (name, values) in zip(panels, report["gain"].items(), strict=True):
        centres = [(low + high) / 2 for low, high in report["bins"]]
        panel.bar(centres, [100 * (value or 0) for value in values], width=BIN * 0.85)
        panel.axhline(0, color="black", linewidth=0.8)
        fine, coarse = name.split("-")
        panel.set(title=f"{fine} over {coarse}", ylabel="accuracy gain, points", xlim=(0, BIN * BINS))
    panel.set_xlabel("size of the ground-truth region, pixels")
    figure.savefig(picture, dpi=120)


def _row(cells: list[tuple[str, UInt8]]) -> UInt8:
    pictures = []
    for title, picture in cells:
        size = CELL, round(picture.shape[0] * CELL / picture.shape[1])
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        draw_banner(small, title)
        pictures.append(cv2.copyMakeBorder(small, 0, 4, 0, 4, cv2.BORDER_CONSTANT, value=(32, 32, 32)))
    return side_by_side(pictures)
