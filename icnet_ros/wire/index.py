"""Which messages a topic of a bag has, and reading from any of them on."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage import Message

Numbered = tuple[int, Message]  # a message and its place on its topic


@dataclass(frozen=True)
class TopicIndex:
    """When each message of a topic was recorded and what its stamp is (ns; -1: too short), by its place on the topic.

    corruption: why the messages after these cannot be read, "" if these are all.
    """

    recorded: tuple[int, ...]
    stamps: tuple[int, ...]
    corruption: str = ""

    def read(self, bag: Bag, topic: str, wanted: Sequence[int]) -> Iterator[Numbered]:
        """The messages at these places, which ascend.

        What lies before the first of them is not read where the bag has an index.
        """
        if not wanted:
            return
        missing = set(wanted)
        start = min(self.recorded[place] for place in missing)
        later = (place for place, time in enumerate(self.recorded) if time >= start)
        for place, message in zip(later, bag.messages(topic, start=start), strict=False):
            if place in missing:
                yield place, message
                missing.remove(place)
                if not missing:
                    return


def index_topics(
    bag: Bag, topics: Sequence[str], progress: Callable[[int, int], None] = lambda *_: None
) -> dict[str, TopicIndex]:
    """Index topics whose messages begin with a std_msgs/Header, each as far as it can be read."""
    recorded: dict[str, list[int]] = {topic: [] for topic in topics}
    stamps: dict[str, list[int]] = {topic: [] for topic in topics}
    total, corruption = sum(topic.messages for topic in bag.topics() if topic.name in recorded), ""
    try:
        for done, message in enumerate(bag.messages(*recorded), 1):
            recorded[message.topic].append(message.recorded_ns)
            stamps[message.topic].append(peek_stamp(message.data))
            progress(done, total)
    except WireError as err:
        if len(topics) > 1:  # a corrupt message of one topic must not cost the others any
            return {topic: index_topics(bag, [topic])[topic] for topic in topics}
        corruption = str(err)
    declared = {topic.name: topic.messages for topic in bag.topics()}
    return {
        topic: TopicIndex(
            tuple(recorded[topic]), tuple(stamps[topic]), corruption or _missing(bag, topic, declared, recorded)
        )
        for topic in topics
    }


def _missing(bag: Bag, topic: str, declared: Mapping[str, int], recorded: Mapping[str, Sequence[int]]) -> str:
    """Why the index of a topic is not complete, "" if it is: the bag declares another number of messages."""
    said, read = declared.get(topic, 0), len(recorded[topic])
    if said == read:
        return ""
    return f"{bag.path}: damaged: it declares {said} messages on {topic}, {read} could be read"


def peek_stamp(data: bytes) -> int:
    """Stamp (ns) of a CDR message that begins with a std_msgs/Header; -1 if it is too short."""
    if len(data) < 12:
        return -1
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)
