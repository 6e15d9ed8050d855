"""Which frames of a bag are replayed."""

from collections.abc import Sequence
from dataclasses import dataclass

from icnet_ros.wire.index import TopicIndex

# Largest distance, in selected frames, to the previous labelled frame that a frame is compared with.
MAX_GAP = 8


@dataclass(frozen=True)
class Selection:
    """Frames of a bag and their ground truth. Empty topics are found by type and name.

    ground_truth_folder: label images instead of a topic, see FolderGroundTruth. mapping: YAML file for ground truth
    of another label set. start, end: seconds after the earliest image. stride: use every n-th frame. limit: maximum
    number of frames, 0: all. tolerance: largest difference, in seconds, between the stamps of image and ground truth.
    """

    image_topic: str = ""
    ground_truth_topic: str = ""
    ground_truth_folder: str = ""
    mapping: str = ""
    start: float = 0.0
    end: float = float("inf")
    stride: int = 1
    limit: int = 0
    tolerance: float = 0.0

    def of(self, images: TopicIndex) -> Sequence[int]:
        """Indices of the selected images on the topic."""
        first = min(images.recorded, default=0)  # the clock may have been set back meanwhile
        inside = [
            number for number, time in enumerate(images.recorded) if self.start <= (time - first) / 1e9 <= self.end
        ]
        return inside[:: self.stride][: self.limit or None]
