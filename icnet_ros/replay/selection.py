"""Which frames of a bag are replayed."""

from collections.abc import Sequence
from dataclasses import dataclass

from icnet_ros.wire.index import TopicIndex

# A frame is compared with the last labelled one before it, unless more than so many selected frames lie between.
MAX_GAP = 8


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag, and what is their ground truth. Empty topics: found by type and name.

    ground_truth_folder: label images instead of a topic, see FolderGroundTruth. mapping: YAML file for ground truth
    of another label set. start, end: seconds after the first image. stride: every so many frames. limit: at most so
    many, 0 is all. tolerance: seconds by which the stamp of a ground truth may differ from that of its image.
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
        """The selected images, by their number on the topic."""
        first = images.recorded[0] if images.recorded else 0
        inside = [
            number for number, time in enumerate(images.recorded) if self.start <= (time - first) / 1e9 <= self.end
        ]
        return inside[:: self.stride][: self.limit or None]
