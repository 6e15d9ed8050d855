"""Index of the image and ground truth messages of a drive."""

from collections.abc import Callable
from dataclasses import dataclass

from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import Bag
from icnet_ros.wire.index import TopicIndex, index_topics
from icnet_ros.wire.recording.topic import Topic


@dataclass(frozen=True)
class DriveIndex:
    """Index of the image topic and of the ground truth topic; "" and None if there is no ground truth topic.

    ambiguous: topics that could each be the ground truth, so that none was taken.
    """

    images: TopicIndex
    ground_truth_topic: str = ""
    ground_truth: TopicIndex | None = None
    ambiguous: tuple[str, ...] = ()

    @property
    def corruption(self) -> str:
        """Why either topic cannot be read to its end, "" if both can."""
        return self.images.corruption or (self.ground_truth.corruption if self.ground_truth else "")


def index_drive(bag: Bag, selection: Selection, progress: Callable[[int, int], None] = lambda *_: None) -> DriveIndex:
    """Read through the topics of the selection once. Raises WireError."""
    image = bag.image_topic(selection.image_topic)
    topic: Topic | None = None
    ambiguous: tuple[str, ...] = ()
    if not selection.ground_truth_folder:
        topic = bag.ground_truth_topic(selection.ground_truth_topic, image)
        ambiguous = tuple(one.name for one in bag.ground_truth_topics(image)) if topic is None else ()
    found = index_topics(bag, [image.name, *([topic.name] if topic else [])], progress)
    return DriveIndex(found[image.name], topic.name if topic else "", found[topic.name] if topic else None, ambiguous)
