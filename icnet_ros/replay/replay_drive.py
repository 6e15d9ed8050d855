"""Replay of a drive or a part of it: labels, scores and stores every selected frame once, in order."""

from collections.abc import Callable
from io import FileIO
from pathlib import Path
from time import perf_counter

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.engine.base import LabelMap
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.metrics.frame import PreviousFrame
from icnet_ros.replay.drive_index import DriveIndex, index_drive
from icnet_ros.replay.ground_truth import GroundTruth, open_ground_truth
from icnet_ros.replay.labelling import DamagedImages, FrameLabeller, Predictor
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.replay.results.result_store import ResultStore, append_record
from icnet_ros.replay.selection import MAX_GAP, Selection
from icnet_ros.replay.workers.background import Background
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.reading import read_images

Progress = Callable[[int, int], None]


def replay_drive(
    path: Path,
    predict: Predictor,
    classes: ClassTable,
    folder: Path,
    selection: Selection,
    progress: Progress,
    *,
    index: DriveIndex | None = None,
    part: range | None = None,
    confidence: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    groups: LabelGroups | None = None,
    damaged: DamagedImages = "fail",
) -> ReplayResult:
    """Label the frames of a bag into FOLDER/labels/*.png, and FOLDER/confidence/*.png if `confidence`.

    Call `ResultStore.prepare` first. Frames with stored labels are only scored, so that a killed run resumes when it is
    started again. index: from `index_drive`, computed if not given. part: range of the selected frames. should_stop:
    called before each frame. groups: those that `classes` are the table of, None for the classes of the checkpoint.
    damaged: see DamagedImages. Raises WireError for a bag that cannot be opened, GroundTruthError, EngineError.
    """
    # Opened twice: images and ground truth are read on two threads.
    with open_bag(path) as bag, open_bag(path) as ground_truth_bag:
        image = bag.image_topic(selection.image_topic)
        index = index or index_drive(bag, selection)
        selected = selection.of(index.images)
        part = range(len(selected)) if part is None else part
        wanted = selected[part.start : part.stop]
        store = ResultStore(folder)
        labeller = FrameLabeller(image, predict, store, confidence=confidence, damaged=damaged)
        result = ReplayResult(image.name, corruption=index.corruption)
        for remark in bag.remarks(image.name):
            result.warn(remark, -1)
        ground_truth = open_ground_truth(ground_truth_bag, index, classes, selection, result, groups)
        if ground_truth is not None:
            result.matrix = ConfusionMatrix(len(classes), classes.ignore)
        started, untimed = perf_counter(), 0  # the first frame, which includes warm-up, is not timed
        with store.open_progress_log(part) as log:
            scorer = _Scorer(labeller, ground_truth, result, log, classes, MAX_GAP * selection.stride)

            def add(record: FrameRecord, label_map: LabelMap | None) -> None:
                scorer.add(record, label_map)
                progress(len(result.frames), len(wanted))

            try:
                with Background() as background:  # scores a frame while the engine labels the next one
                    earlier = selected[max(0, part.start - MAX_GAP) : part.start]
                    if (previous := labeller.last_labelled(bag, index.images, earlier)) is not None:
                        background.run(scorer.begin_after, previous[0], previous[2])
                    for frame in read_images(bag, image, index.images, wanted):
                        if should_stop():
                            result.completed = False
                            break
                        record, label_map = labeller.label(frame)
                        background.run(add, record, label_map)
                        if not untimed:
                            started, untimed = perf_counter(), labeller.new
            except WireError as err:
                result.corrupt(str(err))
        if result.completed and len(result.frames) < len(wanted):
            result.corrupt(f"{path}: {len(wanted) - len(result.frames)} images were not found where the index has them")
        result.newly_labelled, result.seconds = labeller.new - untimed, perf_counter() - started
    return result


class _Scorer:
    """Stores, scores and logs frames in order."""

    def __init__(
        self,
        labeller: FrameLabeller,
        ground_truth: GroundTruth | None,
        result: ReplayResult,
        log: FileIO,
        classes: ClassTable,
        max_gap: int,
    ) -> None:
        """max_gap: largest distance, in frames, between a frame and the one that it is compared with."""
        self._labeller, self._ground_truth, self._result = labeller, ground_truth, result
        self._log, self._classes, self._max_gap = log, classes, max_gap
        self._previous: PreviousFrame | None = None

    def begin_after(self, number: int, label_map: LabelMap) -> None:
        """Set the frame that the first one is compared with: the last labelled frame before this part."""
        self._labeller.store(number, label_map)
        self._previous = PreviousFrame(number, label_map.labels)

    def add(self, record: FrameRecord, label_map: LabelMap | None) -> None:
        """Store, score and log a frame."""
        number = record.number
        if label_map is not None:
            self._labeller.store(number, label_map)
            annotated = None
            if self._ground_truth is not None:
                annotated = self._ground_truth.of(number, record.stamp_ns, record.recorded_ns)
            near = self._previous is not None and number - self._previous.number <= self._max_gap
            previous = self._previous if near else None
            record = self._result.measure(record, label_map.labels, previous, annotated, self._classes)
            self._previous = PreviousFrame(number, label_map.labels)
        self._result.frames.append(record)
        append_record(self._log, record)
