"""Evaluation of a running node: label maps and ground truth are scored as they are published."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.metrics.frame import NAN, PreviousFrame, UInt8
from icnet_ros.replay.annotated_ids import AnnotatedIds, compare_names
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import map_ids
from icnet_ros.replay.metadata import RunMetadata
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.report.document import Report
from icnet_ros.report.html import PagePictures, write_page
from icnet_ros.report.report_json import write_report_json

REMEDY = "a file and the parameter `mapping`"
MAX_WAITING = 60  # label maps, or ground truth, that wait in memory for their counterpart


class StageTimes(TypedDict, total=False):
    """Milliseconds by field of FrameLatency and FrameRecord."""

    decode_ms: float
    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float


class OnlineEvaluation:
    """Scores each label map once its ground truth has arrived; either may arrive first.

    result: results so far. scored: number of frames compared with ground truth. refused: why none is, "" if they are.
    """

    def __init__(
        self,
        classes: ClassTable,
        out: Path,
        image: str,
        ground_truth: str,
        groups: LabelGroups | None = None,
        mapping: npt.NDArray[np.int16] | None = None,
    ) -> None:
        """Label maps go to OUT/labels, as with `icnet replay`.

        image, ground_truth: names of topics. groups: those that `classes` are the table of, None for the classes of
        the checkpoint, which the ground truth has. mapping: of its ids, see `read_mapping`.
        """
        self._fold, self._mapping = None if groups is None else groups.fold(), mapping
        self._source = classes if groups is None else groups.source
        self._ids = AnnotatedIds(self._source, self._warn, REMEDY)
        self._store = ResultStore(out)
        self._store.prepare("live", resume=False)
        self.result = ReplayResult(image, ground_truth, matrix=ConfusionMatrix(len(classes), classes.ignore))
        self._classes, self._out = classes, out
        self._annotations: dict[int, UInt8] = {}
        self._waiting: dict[int, tuple[FrameRecord, UInt8, PreviousFrame | None]] = {}
        self._unscored: dict[int, int] = {}  # stamp -> place in result.frames, of label maps that no longer wait
        self._truth_stamps: list[int] = []
        self.refused = ""
        self._previous: PreviousFrame | None = None
        self.scored = self._annotated = 0
        self._count = 0
        self._stages: dict[int, StageTimes] = {}

    def _warn(self, text: str, at: int) -> None:
        self.result.warn(text, at)

    @property
    def miou(self) -> float | None:
        """Mean IoU over the frames scored so far, None if there are none."""
        return self.result.matrix.miou() if self.result.matrix else None

    def labels(self, stamp: int, arrived_ns: int, labels: UInt8) -> None:
        """Add a label map with the stamp of its image (ns); `labels` must not be modified later."""
        if (wrong := labels[(labels >= len(self._classes)) & (labels != self._classes.ignore)]).size:
            self.result.warn(f"label {wrong.max()} is none of {len(self._classes)} classes", arrived_ns)
            return
        self._store.write_labels(self._count, labels)
        if stamp in self._waiting:  # again, as when a bag is played in a loop
            self._score(stamp, None)
        self._waiting[stamp] = FrameRecord(self._count, stamp_ns=stamp, recorded_ns=arrived_ns), labels, self._previous
        self._previous = PreviousFrame(self._count, labels)
        self._count += 1
        self._settle()

    def names(self, info: str, names: Mapping[int, str]) -> None:
        """Compare the classes with the names that a LabelInfo on topic `info` gives to the ids of the ground truth."""
        if self._mapping is None:
            try:
                compare_names(self.result.ground_truth or "", info, names, self._source, self._warn, REMEDY)
            except GroundTruthError as err:
                self.refuse(str(err))

    def refuse(self, reason: str) -> None:
        """Score no frame, nor those scored so far: ids of labels or ground truth mean other classes."""
        if self.refused:
            return
        self.refused = reason
        self._warn(f"not scored: {reason}", -1)
        self.result.matrix, self.scored = None, 0
        self.result.frames = [_without_scores(frame) for frame in self.result.frames]

    def ground_truth(self, stamp: int, labels: UInt8) -> None:
        """Add a ground truth label map with the stamp of its image (ns)."""
        self._annotated += 1
        if not stamp or self.refused:  # it cannot be matched, or means other classes
            return
        if self._mapping is None:
            self._ids.check(labels, stamp)
        else:
            try:
                labels = map_ids(labels, self._mapping, "the ground truth")
            except GroundTruthError as err:
                self.refuse(str(err))
                return
        self._truth_stamps.append(stamp)
        self._annotations[stamp] = labels if self._fold is None else self._fold[labels]
        while len(self._annotations) > MAX_WAITING:
            del self._annotations[next(iter(self._annotations))]
        self._settle()

    def latency(self, stamp: int, stages: Mapping[str, float]) -> None:
        """Add the stage times of a frame (ms)."""
        self._stages[stamp] = cast("StageTimes", {name: stages[name] for name in StageTimes.__annotations__})

    def _settle(self, *, waiting: int = MAX_WAITING) -> None:
        for stamp in self._waiting.keys() & self._annotations.keys():
            self._score(stamp, self._annotations.pop(stamp))
        for stamp in self._unscored.keys() & self._annotations.keys():
            self._score_again(self._unscored.pop(stamp), self._annotations.pop(stamp))
        while len(self._waiting) > waiting:
            self._score(next(iter(self._waiting)), None)

    def _score(self, stamp: int, annotated: UInt8 | None) -> None:
        record, labels, previous = self._waiting.pop(stamp)
        if annotated is None:
            self._unscored[stamp] = len(self.result.frames)
        record = self.result.measure(record, labels, previous, None if self.refused else annotated, self._classes)
        self.scored += len(record.ground_truth) > 0
        self.result.frames.append(record)

    def _score_again(self, place: int, annotated: UInt8) -> None:
        """Score a frame whose ground truth comes after its label map has left the memory."""
        record = self.result.frames[place]
        labels, before = self._store.labels(record.number), self._store.labels(record.previous_frame)
        if labels is None:  # the file is gone
            return
        previous = None if before is None else PreviousFrame(record.previous_frame, before)
        record = self.result.measure(record, labels, previous, annotated, self._classes)
        self.scored += len(record.ground_truth) > 0
        self.result.frames[place] = record

    def write(self, metadata: RunMetadata, title: str) -> Report:
        """Write OUT/report.json, report.html and frames.csv; returns the content of report.json."""
        self._settle(waiting=0)
        in_order = sorted(self.result.frames, key=lambda frame: frame.number)
        frames = [replace(frame, **self._stages.get(frame.stamp_ns, StageTimes())) for frame in in_order]
        result = replace(self.result, frames=frames)
        if not self.scored:
            if self._annotated and not self.refused:
                self.result.warn(self._unmatched(frames), frames[0].stamp_ns if frames else 0)
            result.ground_truth = result.matrix = None
        first = next((place for place, frame in enumerate(frames) if frame.ground_truth), 0)
        if first and all(frame.ground_truth for frame in frames[first:]):
            text = f"the first {first} label images have no ground truth, all after them have: start the player later"
            self.result.warn(text, frames[0].stamp_ns)
        report = write_report_json(result, self._classes, metadata, self._out)
        write_page(self._out / "report.html", title, report, frames, self._classes, PagePictures())
        return report

    def _unmatched(self, frames: Sequence[FrameRecord]) -> str:
        """Why ground truth was compared with no label image."""
        text = f"{self._annotated} ground truth images, none with the stamp of a label image"
        stamps = sorted(frame.stamp_ns for frame in frames)
        if not stamps or not self._truth_stamps:
            return text
        places = ((bisect_left(stamps, stamp), stamp) for stamp in self._truth_stamps)
        apart = min(abs(stamp - near) for place, stamp in places for near in stamps[max(0, place - 1) : place + 1])
        if not apart:  # their sizes differ, which has a warning of its own
            return text
        return (
            f"{text}; the nearest is {apart / 1e6:.3g} ms apart: publish ground truth with the stamp of its image, or "
            "record both and use `icnet replay --sync-tolerance SECONDS`"
        )


def _without_scores(frame: FrameRecord) -> FrameRecord:
    return replace(frame, pixel_accuracy=NAN, miou=NAN, ground_truth=(), true_positives=(), predicted=())
