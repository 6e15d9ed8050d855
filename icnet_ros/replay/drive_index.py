"""Index of the image and ground truth messages of a drive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import GROUND_TRUTH_WORDS, OUTPUT_ROLE, Bag
from icnet_ros.wire.cdr import FRAME_LATENCY
from icnet_ros.wire.index import TopicIndex, index_topics
from icnet_ros.wire.topic import Topic


@dataclass(frozen=True)
class DriveIndex:
    """Index of the image topic and of the ground truth topic; "" and None if there is no ground truth topic.

    untaken: why there is none though the bag seems to have ground truth, "" if it does not.
    """

    images: TopicIndex
    ground_truth_topic: str = ""
    ground_truth: TopicIndex | None = None
    untaken: str = ""

    @property
    def corruption(self) -> str:
        """Why either topic cannot be read to its end, "" if both can."""
        return self.images.corruption or (self.ground_truth.corruption if self.ground_truth else "")


def index_drive(bag: Bag, selection: Selection, progress: Callable[[int, int], None] = lambda *_: None) -> DriveIndex:
    """Read through the topics of the selection once. Raises WireError."""
    image = bag.image_topic(selection.image_topic)
    topic: Topic | None = None
    untaken = ""
    if not selection.ground_truth_folder:
        topic = bag.ground_truth_topic(selection.ground_truth_topic, image)
        untaken = "" if topic else _untaken(bag, image)
    found = index_topics(bag, [image.name, *([topic.name] if topic else [])], progress)
    return DriveIndex(found[image.name], topic.name if topic else "", found[topic.name] if topic else None, untaken)


def _untaken(bag: Bag, image: Topic) -> str:
    """See DriveIndex, for a camera."""
    if several := bag.ground_truth_topics(image):
        return f"{_names(several)} could each be the ground truth; choose with --ground-truth-topic"
    taken = {topic for camera in bag.cameras() for topic in bag.ground_truth_topics(camera)}
    roles = {topic: bag.role(topic) for topic in bag.topics() if topic != image}
    if left := [topic for topic, role in roles.items() if role == "ground truth" and topic not in taken]:
        return f"{_names(left)}: of which camera? Choose with --image-topic and --ground-truth-topic"
    ids = ("numbers", "segmentation")
    if unsure := [topic for topic, role in roles.items() if role in ids and _has_one_channel(bag, topic)]:
        return f"{_names(unsure)}: if they are class ids, choose with --ground-truth-topic"
    of_node = [topic for topic, role in roles.items() if role == OUTPUT_ROLE and topic.base.endswith("/labels")]
    if of_node and not any(topic.kind == FRAME_LATENCY for topic in roles):
        return f"{_names(of_node)}: taken for what a node published; if it is ground truth, use --ground-truth-topic"
    called = [t for t, role in roles.items() if role == "segmentation" or (role == "camera" and _is_called_truth(t))]
    if called:
        return f"{_names(called)} has pictures, not class ids (mono8, lossless)"
    return ""


def _has_one_channel(bag: Bag, topic: Topic) -> bool:
    found = bag.first_image(topic)
    return found is not None and found.channels == 1


def _is_called_truth(topic: Topic) -> bool:
    return any(word in topic.name.lower() for word in GROUND_TRUTH_WORDS[:2])  # the others mean other things, too


def _names(topics: Sequence[Topic]) -> str:
    return ", ".join(topic.name for topic in topics)
