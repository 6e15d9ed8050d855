"""What a replay leaves beside its figures: a bag of answers, a video, and pictures for the report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.frames import Row
from icnet_ros.evaluation.replay import (
    Progress,
    Replay,
    Selection,
    confidence_file,
    label_file,
    open_truth,
    selected,
)
from icnet_ros.evaluation.report import open_video
from icnet_ros.evaluation.verdict import worst_first
from icnet_ros.render import Painter, UInt8
from icnet_ros.wire.bag import BagWriter, fresh_bag_folder, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError, deserialise
from icnet_ros.wire.image import Picture, decode_compressed, decode_image, encode_image, encode_jpeg, jpeg_file

LABELS, CONFIDENCE, OVERLAY = "/icnet/labels", "/icnet/confidence", "/icnet/overlay/compressed"
THUMBNAILS, WORST = 120, 6  # pictures in the report
THUMBNAIL_WIDTH, PANEL_WIDTH = 360, 480  # pixels


@dataclass(frozen=True)
class Outputs:
    """Which of them. confidence: those that the replay kept go into the answers bag, too, as do overlays."""

    answers: bool = True
    confidence: bool = False
    overlay: bool = False
    video: bool = True


@dataclass
class Pictures:
    """For the report, JPEG files: overlays along the drive by frame number, and panels of the worst frames.

    A panel has image, prediction and, with ground truth, truth and difference (white: wrong).
    """

    thumbnails: dict[int, bytes] = field(default_factory=dict)
    worst: list[tuple[Row, list[tuple[str, bytes]]]] = field(default_factory=list)


def write_outputs(
    found: Replay, bag_path: Path, spec: ModelSpec, out: Path, selection: Selection, wanted: Outputs, progress: Progress
) -> Pictures:
    """OUT/answers (a bag that plays beside the original, with its headers) and OUT/overlay.mp4.

    Label maps are those in OUT/labels. Raises WireError if the bag cannot be opened or no codec is there.
    """
    rows = {row.number: row for row in found.rows if not row.problem}
    worst = _apart(worst_first(list(rows.values()), "miou" if found.matrix else "confidence"))
    shown = list(rows)[:: max(1, -(-len(rows) // THUMBNAILS))]
    painter = Painter(spec.classes.colours, "" if spec.trained else "UNTRAINED NETWORK")
    pictures, panels = Pictures(), {}
    topics = [(LABELS, IMAGE)]
    topics += [(CONFIDENCE, IMAGE)] if wanted.confidence else []
    topics += [(OVERLAY, COMPRESSED_IMAGE)] if wanted.overlay else []
    answers = BagWriter(fresh_bag_folder(out / "answers"), topics) if wanted.answers else None
    film = _Film(out / "overlay.mp4", _rate(found.rows)) if wanted.video else None
    try:
        with open_bag(bag_path) as bag:
            image = bag.image_topic(selection.image_topic)
            decode = decode_compressed if image.compressed else decode_image
            truths = open_truth(bag, image, spec.classes, selection, Counter())
            left = set(rows)
            for number, message in selected(bag, image, selection):
                row = rows.get(number)
                if row is None:
                    continue
                labels = _read(label_file(out, number))
                header = deserialise(message.data, image.kind).header
                if answers:
                    answers.write(LABELS, encode_image(header, labels, "mono8"), message.recorded_ns)
                    if wanted.confidence and (file := confidence_file(out, number)).exists():
                        answers.write(CONFIDENCE, encode_image(header, _read(file), "mono8"), message.recorded_ns)
                if film or wanted.overlay or number in shown or row in worst:
                    picture = decode(message.data)
                    overlay = painter.overlay(picture.bgr(), labels)
                    if answers and wanted.overlay:
                        answers.write(OVERLAY, encode_jpeg(header, overlay), message.recorded_ns)
                    if film:
                        film.write(overlay)
                    if number in shown:
                        pictures.thumbnails[number] = _jpeg(overlay, THUMBNAIL_WIDTH)
                    if row in worst:
                        truth = truths[1].of(number, row.stamp_ns) if truths else None
                        panels[number] = _panel(picture, labels, truth, painter, spec)
                left.discard(number)
                progress(len(rows) - len(left), len(rows))
                if not left:
                    break
    except WireError:
        if not found.damage:
            raise
    finally:
        if answers:
            answers.close()
        if film:
            film.close()
    pictures.worst = [(row, panels[row.number]) for row in worst if row.number in panels]
    return pictures


class _Film:
    """A video whose size is that of its first frame; frames of other sizes are fitted into it."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._video: cv2.VideoWriter | None = None
        self._size = 0, 0

    def write(self, bgr: UInt8) -> None:
        size = bgr.shape[1], bgr.shape[0]
        if self._video is None:
            self._size = size
            self._video = open_video(self._path, self._rate, size)
        self._video.write(bgr if size == self._size else cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        if self._video is not None:
            self._video.release()


def _apart(rows: Sequence[Row]) -> list[Row]:
    """The first WORST, leaving out neighbours of those before: they show the same again."""
    distance = max(1, len(rows) // (3 * WORST))
    chosen: list[Row] = []
    for row in rows:
        if len(chosen) < WORST and all(abs(row.number - one.number) >= distance for one in chosen):
            chosen.append(row)
    return chosen


def _panel(
    picture: Picture, labels: UInt8, truth: UInt8 | None, painter: Painter, spec: ModelSpec
) -> list[tuple[str, bytes]]:
    parts = [("image", picture.bgr()), ("prediction", painter.colour(labels))]
    if truth is not None and truth.shape == labels.shape:
        parts += [("ground truth", painter.colour(truth)), ("difference", difference(labels, truth, len(spec.classes)))]
    return [(title, _jpeg(bgr, PANEL_WIDTH)) for title, bgr in parts]


def difference(labels: UInt8, truth: UInt8, classes: int) -> UInt8:
    """BGR: white where the truth is another class, grey where it is none, black where they agree."""
    grey = np.where(labels != truth, 255, 0).astype(np.uint8)
    grey[truth >= classes] = 70
    shown: UInt8 = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    return shown


def _jpeg(bgr: UInt8, width: int) -> bytes:
    if bgr.shape[1] > width:
        bgr = cv2.resize(bgr, (width, round(bgr.shape[0] * width / bgr.shape[1])), interpolation=cv2.INTER_AREA)
    return jpeg_file(bgr, 80).tobytes()


def _read(file: Path) -> Any:
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise WireError(f"{file} is gone or damaged; start the replay again")
    return picture


def _rate(rows: Sequence[Row]) -> float:
    """Frames per second of the recording."""
    gaps = np.diff([row.recorded_ns for row in rows])
    gaps = gaps[gaps > 0]
    return float(np.clip(1e9 / np.median(gaps), 0.1, 120)) if gaps.size else 15.0
