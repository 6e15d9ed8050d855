"""Result of the replay of a drive or a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.metrics.confusion import ConfusionMatrix, sum_matrices
from icnet_ros.metrics.frame import PreviousFrame, UInt8, measure_frame
from icnet_ros.replay.results.frame_record import DataWarning, FrameRecord


@dataclass
class ReplayResult:
    """Records of all frames, and the confusion matrix over them.

    image_topic: topic of the camera. ground_truth: its topic or folder; if there is none, it and `matrix` are None.
    warnings: unusable ground truth. corruption: why the bag could not be read to its end, "" if it could. completed:
    False if the replay was interrupted. newly_labelled, seconds: number of frames labelled in this run (not reused from
    an earlier one) and the time it took, both without the first frame, which includes engine warm-up.
    """

    image_topic: str
    ground_truth: str | None = None
    frames: list[FrameRecord] = field(default_factory=list)
    matrix: ConfusionMatrix | None = None
    warnings: set[DataWarning] = field(default_factory=set)
    corruption: str = ""
    completed: bool = True
    newly_labelled: int = 0
    seconds: float = 0.0

    def warn(self, text: str, at: int) -> None:
        """Add a warning; at: see DataWarning."""
        self.warnings.add(DataWarning(text, at))

    def corrupt(self, reason: str) -> None:
        """Set `corruption`, unless an earlier reason is set."""
        self.corruption = self.corruption or reason

    def measure(
        self,
        record: FrameRecord,
        labels: UInt8,
        previous: PreviousFrame | None,
        ground_truth: UInt8 | None,
        classes: ClassTable,
    ) -> FrameRecord:
        """Compute the metrics of a label map and add its confusion matrix; returns the record with the metrics.

        If the ground truth does not match the labels, a warning is added and the frame is not scored.
        """
        try:
            metrics, matrix = measure_frame(labels, previous, ground_truth, len(classes), classes.ignore)
        except ValueError as err:
            self.warn(str(err), record.number)
            metrics, matrix = measure_frame(labels, previous, None, len(classes), classes.ignore)
        if matrix is not None and self.matrix is not None:
            self.matrix.add(matrix)
        return replace(record, **metrics)


def merge_results(parts: Sequence[ReplayResult]) -> ReplayResult:
    """Merge the results of consecutive parts of a drive, or of several drives."""
    matrices = [part.matrix for part in parts if part.matrix is not None]
    return ReplayResult(
        image_topic=_joined([part.image_topic for part in parts]),
        ground_truth=_joined([part.ground_truth for part in parts if part.ground_truth]) or None,
        frames=[frame for part in parts for frame in part.frames],
        matrix=sum_matrices(matrices) if matrices else None,
        warnings=set().union(*(part.warnings for part in parts)),
        corruption=next((part.corruption for part in parts if part.corruption), ""),
        completed=all(part.completed for part in parts),
        newly_labelled=sum(part.newly_labelled for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _joined(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(name for name in names if name))
