"""What is in a bag, for a user who does not know it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.table import has_decoder, open_decoder
from icnet_ros.wire.topic import Topic


@dataclass
class TopicListing:
    """A topic. role: see `Bag.role`. encodings: of its images, and how many have each.

    size: (height, width) of the first image whose message says it. key_frames: of a video, None for others.
    unreadable: messages that are no image of its type; reason: why the first of them is none. remarks: see `Bag`.
    """

    topic: Topic
    role: str
    encodings: Counter[str] = field(default_factory=Counter)
    size: tuple[int, int] | None = None
    key_frames: int | None = None
    unreadable: int = 0
    reason: str = ""
    remarks: list[str] = field(default_factory=list)


def list_bag(bag: Bag, progress: Callable[[int, int], None] = lambda *_: None) -> tuple[list[TopicListing], str]:
    """All topics, and what is damaged, "" if nothing is. Reads through the topics of images, without decoding them."""
    listings = {
        topic.name: TopicListing(topic, bag.role(topic), remarks=bag.remarks(topic.name)) for topic in bag.topics()
    }
    decoders = {
        topic.name: open_decoder(topic.kind, topic.encoding)
        for topic in bag.topics()
        if has_decoder(topic.kind, topic.encoding)
    }
    total = sum(topic.messages for topic in bag.topics() if topic.name in decoders)
    try:
        for done, message in enumerate(bag.messages(*decoders), 1):
            listing = listings[message.topic]
            progress(done, total)
            try:
                info = decoders[message.topic].peek(message.content())
            except WireError as err:
                listing.unreadable += 1
                listing.reason = listing.reason or str(err)
                continue
            listing.encodings[info.encoding] += 1
            listing.size = listing.size or info.size
            if info.video:
                listing.key_frames = (listing.key_frames or 0) + info.key
    except WireError as err:
        return list(listings.values()), str(err)
    return list(listings.values()), ""
