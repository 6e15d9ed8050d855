"""Grids, scans and bird's-eye views of labelled frames, as files."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from icnet_ros.ground.arrays import UInt8
from icnet_ros.ground.files import paint_map, scan_header, scan_row, write_map
from icnet_ros.render.video import VideoWriter
from icnet_ros.wire.pictures.picture_file import write_picture

if TYPE_CHECKING:  # numba, which takes a second, is for those who ask for the ground
    from icnet_ros.ground.view import GroundView

OpenView = Callable[[int, int], "GroundView"]  # of label maps of this height and width


class GroundFiles:
    """Writes what ~/grid and ~/scan would be."""

    def __init__(self, open_view: OpenView) -> None:
        self._open = open_view
        self._view: GroundView | None = None

    def look(self, labels: UInt8) -> "GroundView":
        """The view that has taken in this label map. Raises GroundError."""
        size = labels.shape[0], labels.shape[1]
        if self._view is None or (self._view.camera.height, self._view.camera.width) != size:
            self._view = self._open(*size)
        self._view.look(labels)
        return self._view

    def write_picture(self, out: Path, name: str, overlay: UInt8, labels: UInt8) -> None:
        """OUT/NAME_grid.png and .yaml, OUT/NAME_scan.csv, OUT/NAME_birdseye.png."""
        view = self.look(labels)
        write_map(out / f"{name}_grid", view.cells(), view.settings.grid)
        scan = f"angle,{scan_header(view.settings.scan)}\nrange,{scan_row(view.ranges())}\n"
        (out / f"{name}_scan.csv").write_text(scan, encoding="utf-8")
        write_picture(out / f"{name}_birdseye.png", beside(overlay, view))


class GroundDrive:
    """FOLDER/grid/000000.png and .yaml, FOLDER/scan.csv and FOLDER/birdseye.webm of the frames of a drive."""

    def __init__(self, folder: Path, open_view: OpenView, rate: float) -> None:
        self._files, self._folder = GroundFiles(open_view), folder
        (folder / "grid").mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._video = VideoWriter(folder / "birdseye.webm", rate)
        self._stack.callback(self._video.close)
        self._csv = self._stack.enter_context((folder / "scan.csv").open("w", encoding="utf-8"))
        self._begun = False

    def add(self, number: int, stamp_ns: int, overlay: UInt8, labels: UInt8) -> None:
        """Write a frame. stamp_ns: of its image."""
        view = self._files.look(labels)
        if not self._begun:
            self._csv.write(f"frame,stamp_ns,{scan_header(view.settings.scan)}\n")
            self._begun = True
        write_map(self._folder / "grid" / f"{number:06d}", view.cells(), view.settings.grid)
        self._csv.write(f"{number},{stamp_ns},{scan_row(view.ranges())}\n")
        self._video.write(beside(overlay, view))

    def close(self) -> None:
        """Complete the files."""
        self._stack.close()


def beside(overlay: UInt8, view: "GroundView") -> UInt8:
    """The overlay and, as high as that, the grid and the scan from above; BGR (H, W, 3)."""
    height = overlay.shape[0]
    settings = view.settings
    above = paint_map(view.cells(), view.ranges(), settings.grid, settings.scan, height, view.pose[:2, 3].tolist())
    if above.shape[0] != height:
        above = np.asarray(cv2.resize(above, (above.shape[1], height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.concatenate([overlay, above], axis=1)
