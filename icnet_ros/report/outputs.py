"""Files and pictures of a report. Each output receives every labelled frame once, then it is closed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.metrics.frame import UInt8
from icnet_ros.render.contact_sheet import FRAMES, contact_sheet
from icnet_ros.render.painter import Painter, side_by_side
from icnet_ros.render.video import VideoWriter
from icnet_ros.replay.ground import GroundDrive, OpenView
from icnet_ros.replay.labelled_frames import LabelledFrame
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.workers.background import Background
from icnet_ros.report.report_json import worst_first
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE
from icnet_ros.wire.image import encode_image, encode_jpeg, jpeg_file, stamp_ns
from icnet_ros.wire.pictures.picture_file import write_picture

LABELS, CONFIDENCE, OVERLAY = "/icnet/labels", "/icnet/confidence", "/icnet/overlay/compressed"
THUMBNAILS, WORST = 120, 6  # pictures in the page
THUMBNAIL_WIDTH, PANEL_WIDTH = 360, 480  # pixels


def frame_rate(records: Sequence[FrameRecord]) -> float:
    """Frames per second of the recording; 15 if that is not known."""
    gaps = np.diff([record.recorded_ns for record in records])
    gaps = gaps[gaps > 0]
    return float(np.clip(1e9 / np.median(gaps), 0.1, 120)) if gaps.size else 15.0


class PaintedFrame:
    """A labelled frame; its image and overlay are computed on first use and shared by all outputs.

    ground_truth: uint8 (H, W), None if there is none or no output needs it.
    """

    def __init__(self, frame: LabelledFrame, painter: Painter, ground_truth: UInt8 | None) -> None:
        self.frame, self.painter, self.ground_truth = frame, painter, ground_truth

    @cached_property
    def bgr(self) -> UInt8:
        """The image, BGR uint8 (H, W, 3)."""
        return self.frame.picture.bgr()

    @cached_property
    def overlay(self) -> UInt8:
        """The image with the class colours over it."""
        return self.painter.overlay(self.bgr, self.frame.labels)


class Output(ABC):
    """A file or pictures made from the labelled frames of a drive."""

    @abstractmethod
    def add(self, frame: PaintedFrame) -> None:
        """Take in the next frame."""

    def close(self) -> None:  # noqa: B027  most have nothing to do
        """Finish writing."""


class PredictionsBag(Output):
    """Bag to play along with the original: label images with the headers and times of the images."""

    def __init__(self, path: Path, store: ResultStore, *, confidence: bool, overlay: bool) -> None:
        topics = [(LABELS, IMAGE)]
        topics += [(CONFIDENCE, IMAGE)] if confidence else []
        topics += [(OVERLAY, COMPRESSED_IMAGE)] if overlay else []
        self._writer = BagWriter(path, topics)
        self._store, self._confidence, self._overlay = store, confidence, overlay

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        header, recorded = frame.frame.header, frame.frame.message.recorded_ns
        self._writer.write(LABELS, encode_image(header, frame.frame.labels, "mono8"), recorded)
        if self._confidence and (confidence := self._store.confidence(frame.frame.record.number)) is not None:
            self._writer.write(CONFIDENCE, encode_image(header, confidence, "mono8"), recorded)
        if self._overlay:
            self._writer.write(OVERLAY, encode_jpeg(header, frame.overlay), recorded)

    def close(self) -> None:
        """See Output."""
        self._writer.close()


class OverlayVideo(Output):
    """overlay.webm, at the frame rate of the recording."""

    def __init__(self, path: Path, records: Sequence[FrameRecord]) -> None:
        self._video = VideoWriter(path, frame_rate(records))
        self._stack = ExitStack()
        self._stack.callback(self._video.close)
        self._background = self._stack.enter_context(Background())  # encodes beside the other outputs

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        self._background.run(self._video.write, frame.overlay)

    def close(self) -> None:
        """See Output."""
        self._stack.close()


class Ground(Output):
    """ground/: the occupancy grid and scan of each frame, and birdseye.webm with both beside the overlay."""

    def __init__(self, folder: Path, open_view: OpenView, records: Sequence[FrameRecord]) -> None:
        self._drive = GroundDrive(folder, open_view, frame_rate(records))

    def add(self, frame: PaintedFrame) -> None:
        """See Output. Raises GroundError for a camera that cannot see the ground."""
        record = frame.frame.record
        self._drive.add(record.number, stamp_ns(frame.frame.header), frame.overlay, frame.frame.labels)

    def close(self) -> None:
        """See Output."""
        self._drive.close()


class ContactSheet(Output):
    """contact_sheet.png: evenly spaced frames, each as image and overlay side by side, above a caption."""

    def __init__(self, path: Path, records: Sequence[FrameRecord], classes: ClassTable, caption: str) -> None:
        places = np.linspace(0, len(records) - 1, FRAMES).round().astype(int)
        self._chosen = {records[place].number for place in places} if records else set()
        self._path, self._classes, self._caption = path, classes, caption
        self._pairs: list[UInt8] = []

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        if frame.frame.record.number in self._chosen:
            pair = side_by_side([frame.bgr, frame.overlay])
            if self._pairs and pair.shape != self._pairs[0].shape:  # the image size changed within the drive
                pair = cv2.resize(pair, self._pairs[0].shape[1::-1], interpolation=cv2.INTER_AREA)
            self._pairs.append(pair)

    def close(self) -> None:
        """See Output."""
        if self._pairs:
            sheet = contact_sheet(self._pairs, self._classes.names, self._classes.colours, self._caption)
            write_picture(self._path, sheet)


class Thumbnails(Output):
    """Small overlays along the drive as JPEG files, by frame number."""

    def __init__(self, records: Sequence[FrameRecord]) -> None:
        self._chosen = {record.number for record in records[:: max(1, -(-len(records) // THUMBNAILS))]}
        self.jpegs: dict[int, bytes] = {}

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        if (number := frame.frame.record.number) in self._chosen:
            self.jpegs[number] = _jpeg(frame.overlay, THUMBNAIL_WIDTH)


class WorstFrames(Output):
    """Panels of the worst frames as JPEG files: image, prediction, and ground truth and difference if there is any."""

    def __init__(self, records: Sequence[FrameRecord], spec: ModelSpec) -> None:
        figure = "miou" if any(len(record.ground_truth) for record in records) else "confidence"
        self._worst = _spread_out(worst_first(records, figure))
        self._numbers = {record.number for record in self._worst}
        self._classes = len(spec.classes)
        self._by_number: dict[int, list[tuple[str, bytes]]] = {}

    @property
    def panels(self) -> list[tuple[FrameRecord, list[tuple[str, bytes]]]]:
        """The worst first; each panel is (title, JPEG) from left to right."""
        return [(one, self._by_number[one.number]) for one in self._worst if one.number in self._by_number]

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        record = frame.frame.record
        if record.number not in self._numbers:
            return
        parts = [("image", frame.bgr), ("prediction", frame.painter.colour(frame.frame.labels))]
        annotated = frame.ground_truth if len(record.ground_truth) else None
        if annotated is not None and annotated.shape == frame.frame.labels.shape:
            wrong = difference(frame.frame.labels, annotated, self._classes)
            parts += [("ground truth", frame.painter.colour(annotated)), ("difference", wrong)]
        self._by_number[record.number] = [(title, _jpeg(bgr, PANEL_WIDTH)) for title, bgr in parts]

    def needs_ground_truth(self, number: int) -> bool:
        """Whether this frame is shown with its ground truth."""
        return number in self._numbers


def difference(labels: UInt8, ground_truth: UInt8, classes: int) -> UInt8:
    """BGR: white where the labels are wrong, grey where the ground truth is no class, black where both agree."""
    grey = np.where(labels != ground_truth, 255, 0).astype(np.uint8)
    grey[ground_truth >= classes] = 70
    bgr: UInt8 = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    return bgr


def _spread_out(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    """The first WORST records that are not close to one already chosen, as neighbours look alike."""
    distance = max(1, len(records) // (3 * WORST))
    chosen: list[FrameRecord] = []
    for record in records:
        if len(chosen) < WORST and all(abs(record.number - one.number) >= distance for one in chosen):
            chosen.append(record)
    return chosen


def _jpeg(bgr: UInt8, width: int) -> bytes:
    if bgr.shape[1] > width:
        bgr = cv2.resize(bgr, (width, round(bgr.shape[0] * width / bgr.shape[1])), interpolation=cv2.INTER_AREA)
    return jpeg_file(bgr, 80).tobytes()
