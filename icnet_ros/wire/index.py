"""Index of the messages on a topic of a bag, and random access to them."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.topic import Message

IndexedMessage = tuple[int, Message]  # position on the topic, message
NO_STAMP = -(2**63)  # stamps may be negative; this is none


@dataclass(frozen=True)
class TopicIndex:
    """Recording time and stamp (ns; NO_STAMP: message too short) of each message of a topic, in recorded order.

    corruption: why later messages cannot be read, "" if the index is complete.
    """

    recorded: tuple[int, ...]
    stamps: tuple[int, ...]
    corruption: str = ""

    def read(self, bag: Bag, topic: str, wanted: Sequence[int]) -> Iterator[IndexedMessage]:
        """Messages at these positions on the topic, in ascending order, with their position.

        Messages before the first of them are not read if the bag has an index.
        """
        if not wanted:
            return
        pending = set(wanted)
        start = min(self.recorded[position] for position in pending)
        candidates = (position for position, time in enumerate(self.recorded) if time >= start)
        for position, message in zip(candidates, bag.messages(topic, start=start), strict=False):
            if position in pending:
                yield position, message
                pending.remove(position)
                if not pending:
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
        if len(topics) > 1:  # a corrupt message of one topic must not affect the others
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
    """Error message if the bag declares another number of messages on the topic than were read, else ""."""
    expected, read = declared.get(topic, 0), len(recorded[topic])
    if expected == read:
        return ""
    return f"{bag.path}: damaged: it declares {expected} messages on {topic}, {read} could be read"


def peek_stamp(data: bytes) -> int:
    """Stamp (ns) of a CDR message that begins with a std_msgs/Header; NO_STAMP if it is too short."""
    if len(data) < 12:
        return NO_STAMP
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)
