"""Index of the messages on a topic of a bag, and random access to them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import WireError, peek_stamp
from icnet_ros.wire.decoders.base import Decoder, ImageInfo
from icnet_ros.wire.decoders.table import has_decoder, open_decoder
from icnet_ros.wire.recording.topic import Message

IndexedMessage = tuple[int, Message]  # position on the topic, message


@dataclass(frozen=True)
class TopicIndex:
    """Recording time and stamp (ns; NO_STAMP: message too short) of each message of a topic, in recorded order.

    corruption: why later messages cannot be read, "" if the index is complete. keys: positions of the key frames of a
    video; None if every message can be decoded on its own.
    """

    recorded: tuple[int, ...]
    stamps: tuple[int, ...]
    corruption: str = ""
    keys: tuple[int, ...] | None = None

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
    """Index topics of images, or of other messages that begin with a std_msgs/Header, each as far as it can be read."""
    recorded: dict[str, list[int]] = {topic: [] for topic in topics}
    stamps: dict[str, list[int]] = {topic: [] for topic in topics}
    decoders = {
        topic.name: open_decoder(topic.kind, topic.encoding)
        for topic in bag.topics()
        if topic.name in recorded and has_decoder(topic.kind, topic.encoding)
    }
    keys: dict[str, list[int]] = {name: [] for name, decoder in decoders.items() if decoder.stateful}
    videos: set[str] = set()
    total, corruption = sum(topic.messages for topic in bag.topics() if topic.name in recorded), ""
    try:
        for done, message in enumerate(bag.messages(*recorded), 1):
            recorded[message.topic].append(message.recorded_ns)
            decoder = decoders.get(message.topic)
            stamps[message.topic].append((decoder.stamp if decoder else peek_stamp)(message.data))
            if message.topic in keys and decoder and (info := _peek(decoder, message.data)) is not None:
                if info.key:
                    keys[message.topic].append(len(stamps[message.topic]) - 1)
                if info.video:
                    videos.add(message.topic)
            progress(done, total)
    except WireError as err:
        if len(topics) > 1:  # a corrupt message of one topic must not affect the others
            return {topic: index_topics(bag, [topic])[topic] for topic in topics}
        corruption = str(err)
    declared = {topic.name: topic.messages for topic in bag.topics()}
    return {
        topic: TopicIndex(
            tuple(recorded[topic]),
            tuple(stamps[topic]),
            corruption or _missing(bag, topic, declared, recorded),
            tuple(keys[topic]) if topic in videos else None,
        )
        for topic in topics
    }


def _missing(bag: Bag, topic: str, declared: Mapping[str, int], recorded: Mapping[str, Sequence[int]]) -> str:
    """Error message if the bag declares another number of messages on the topic than were read, else ""."""
    expected, read = declared.get(topic, 0), len(recorded[topic])
    if expected == read:
        return ""
    return f"{bag.path}: damaged: it declares {expected} messages on {topic}, {read} could be read"


def _peek(decoder: Decoder, data: bytes) -> ImageInfo | None:
    try:
        return decoder.peek(data)
    except WireError:
        return None
