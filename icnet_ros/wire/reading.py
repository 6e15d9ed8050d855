"""Pictures of chosen messages of a bag, also where a picture depends on the messages before it."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import NamedTuple

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.base import Decoder
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import Picture
from icnet_ros.wire.index import TopicIndex
from icnet_ros.wire.recording.topic import Message, Topic

MAX_LATE = 32  # messages by which a picture may be late; H.264 and H.265 reorder at most 16


class ImageMessage(NamedTuple):
    """A message of an image topic, at position `number` on it; `picture()` decodes it, or raises WireError.

    seconds: that it took to decode already, for a video.
    """

    number: int
    message: Message
    picture: Callable[[], Picture]
    seconds: float = 0.0


def read_images(bag: Bag, topic: Topic, index: TopicIndex, numbers: Sequence[int]) -> Iterator[ImageMessage]:
    """The messages at these positions on the topic, in ascending order. Raises WireError if the bag is corrupt."""
    decoder = open_decoder(topic.kind, topic.encoding)
    if not numbers:
        return
    if index.keys is not None:
        yield from _read_video(bag, topic, index, numbers, decoder)
        return
    for number, message in index.read(bag, topic.name, numbers):
        yield ImageMessage(number, message, lambda one=message: decoder.decode(one.content())[0])  # type: ignore[misc]


def first_picture(bag: Bag, topic: Topic) -> Picture:
    """The first picture of a topic. Raises WireError if its first message cannot be decoded, or gives none."""
    decoder = open_decoder(topic.kind, topic.encoding)
    error: WireError | None = None
    for message in bag.messages(topic.name):
        try:
            for picture in decoder.decode(message.content()):
                return picture
        except WireError as err:
            if not decoder.stateful:
                raise
            error = err  # a video may begin without a key frame
    raise error or WireError(f"{bag.path}: {topic.name} has no picture")


def _read_video(
    bag: Bag, topic: Topic, index: TopicIndex, numbers: Sequence[int], decoder: Decoder
) -> Iterator[ImageMessage]:
    """As `read_images`; everything from the last key frame but one before the first position on is decoded.

    Pictures that are shown before a key frame, but come behind it, may need those before it.
    """
    keys, first = index.keys or (), min(numbers)
    before = bisect_right(keys, first)
    start = keys[max(0, before - 2)] if before else first
    pending = _Pending(numbers)
    for number, message in index.read(bag, topic.name, range(start, len(index.recorded))):
        pending.messages[number] = message
        started = perf_counter()
        try:
            for picture in decoder.decode(message.content()):
                pending.results[number - picture.late] = picture
        except WireError as err:
            pending.results[number] = err
        pending.seconds[number] = perf_counter() - started
        yield from pending.complete(number - MAX_LATE)
        if not pending.wanted:
            return
    if pending.messages:
        last = max(pending.messages)
        for picture in decoder.flush():
            pending.results[last - picture.late] = picture
        yield from pending.complete(last)


class _Pending:
    """Messages whose picture is to come, so that they are passed on in their order. wanted: positions to pass on."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.wanted = set(numbers)
        self.messages: dict[int, Message] = {}
        self.results: dict[int, Picture | WireError] = {}
        self.seconds: dict[int, float] = {}

    def complete(self, overdue: int) -> Iterator[ImageMessage]:
        """The oldest messages, as long as they have a result, and those up to position `overdue`, which will not."""
        for number in sorted(self.messages):
            if number not in self.results and number > overdue:
                return
            result = self.results.pop(number, WireError("the decoder gave no picture for this message"))
            message, seconds = self.messages.pop(number), self.seconds.pop(number, 0.0)
            if number in self.wanted:
                self.wanted.remove(number)
                yield ImageMessage(number, message, _returning(result), seconds)


def _returning(result: Picture | WireError) -> Callable[[], Picture]:
    def picture() -> Picture:
        if isinstance(result, WireError):
            raise result
        return result

    return picture
