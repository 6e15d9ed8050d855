"""Which frames of a bag are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

from icnet_ros.wire.index import Index

REACH = 8  # a frame is compared with the last one before it that has labels, if that is one of so many


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag, and what is their ground truth. Empty topics: found by type and name.

    truth_folder: label images instead of a topic, see FolderTruth. mapping: file for truth of another label
    set. start, end: seconds after the first image. stride: every so many frames. limit: at most so many, 0 =
    all. tolerance: seconds by which the stamp of a ground truth may differ from that of its image.
    """

    image_topic: str = ""
    truth_topic: str = ""
    truth_folder: str = ""
    mapping: str = ""
    start: float = 0.0
    end: float = float("inf")
    stride: int = 1
    limit: int = 0
    tolerance: float = 0.0

    def of(self, images: Index) -> Sequence[int]:
        """The images that were asked for, by their number on the topic."""
        first = images.recorded[0] if images.recorded else 0
        inside = [
            number for number, time in enumerate(images.recorded) if self.start <= (time - first) / 1e9 <= self.end
        ]
        return inside[:: self.stride][: self.limit or None]
