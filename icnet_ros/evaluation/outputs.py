"""What a replay leaves beside its figures: a bag of answers, a video, and pictures for the report."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.frames import Row
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.replay import Indexes, Progress, Replay, look_through, open_truth
from icnet_ros.evaluation.selection import Selection
from icnet_ros.evaluation.shown import shown
from icnet_ros.evaluation.verdict import worst_first
from icnet_ros.evaluation.video import Film
from icnet_ros.render import Painter, UInt8
from icnet_ros.wire.bag import BagWriter, fresh_bag_folder, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE
from icnet_ros.wire.image import Picture, encode_image, encode_jpeg, jpeg_file

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
    found: Replay,
    bag_path: Path,
    spec: ModelSpec,
    out: Path,
    selection: Selection,
    wanted: Outputs,
    progress: Progress,
    indexes: Indexes | None = None,
) -> Pictures:
    """OUT/answers (a bag that plays beside the original, with its headers) and OUT/overlay.mp4.

    Label maps are those in OUT/labels. Raises WireError if the bag cannot be opened or no codec is there,
    FileNotFoundError if a label map is gone.
    """
    rows = [row for row in found.rows if not row.problem]
    worst = _apart(worst_first(rows, "miou" if any(len(row.truth) for row in rows) else "confidence"))
    thumbnails = {row.number for row in rows[:: max(1, -(-len(rows) // THUMBNAILS))]}
    painter = Painter(spec.classes.colours, "" if spec.trained else "UNTRAINED NETWORK")
    pictures, panels = Pictures(), {}
    topics = [(LABELS, IMAGE)]
    topics += [(CONFIDENCE, IMAGE)] if wanted.confidence else []
    topics += [(OVERLAY, COMPRESSED_IMAGE)] if wanted.overlay else []
    with ExitStack() as stack:
        answers = film = None
        if wanted.answers:
            answers = stack.enter_context(closing(BagWriter(fresh_bag_folder(out / "answers"), topics)))
        if wanted.video:
            film = stack.enter_context(closing(Film(out / "overlay.mp4", _rate(found.rows))))
        truth_bag = stack.enter_context(open_bag(bag_path))
        indexes = indexes or look_through(truth_bag, selection)
        truths = open_truth(truth_bag, indexes, spec.classes, selection, Replay("", None, [], None))
        kept = Kept(out)
        for done, frame in enumerate(shown(found, bag_path, out, selection, indexes.images), 1):
            row, number, recorded = frame.row, frame.row.number, frame.message.recorded_ns
            if answers:
                answers.write(LABELS, encode_image(frame.header, frame.labels, "mono8"), recorded)
                if wanted.confidence and (sure := kept.confidence(number)) is not None:
                    answers.write(CONFIDENCE, encode_image(frame.header, sure, "mono8"), recorded)
            if film or wanted.overlay or number in thumbnails or row in worst:
                overlay = painter.overlay(frame.picture.bgr(), frame.labels)
                if answers and wanted.overlay:
                    answers.write(OVERLAY, encode_jpeg(frame.header, overlay), recorded)
                if film:
                    film.write(overlay)
                if number in thumbnails:
                    pictures.thumbnails[number] = _jpeg(overlay, THUMBNAIL_WIDTH)
                if row in worst:
                    truth = truths.of(number, row.stamp_ns, recorded) if truths and len(row.truth) else None
                    panels[number] = _panel(frame.picture, frame.labels, truth, painter, spec)
            progress(done, len(rows))
    pictures.worst = [(row, panels[row.number]) for row in worst if row.number in panels]
    return pictures


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


def _rate(rows: Sequence[Row]) -> float:
    """Frames per second of the recording."""
    gaps = np.diff([row.recorded_ns for row in rows])
    gaps = gaps[gaps > 0]
    return float(np.clip(1e9 / np.median(gaps), 0.1, 120)) if gaps.size else 15.0
