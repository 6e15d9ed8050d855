"""Which frames of a bag are looked at."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from icnet_ros.wire.bag import Bag
from icnet_ros.wire.storage import Message, Topic

REACH = 8  # a frame is compared with the last one before it that has labels, if that is one of so many

Numbered = tuple[int, Message]  # an image and its number on the topic


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


def selected(bag: Bag, image: Topic, selection: Selection) -> Iterator[Numbered]:
    """Images that were asked for."""
    first: int | None = None

    def inside() -> Iterator[Numbered]:
        nonlocal first
        for number, message in enumerate(bag.messages(image.name)):
            first = message.recorded_ns if first is None else first
            if selection.start <= (message.recorded_ns - first) / 1e9 <= selection.end:
                yield number, message

    return islice(inside(), 0, selection.limit * selection.stride or None, selection.stride)


def of_part(
    bag: Bag, image: Topic, selection: Selection, part: range | None
) -> Iterator[tuple[Numbered, tuple[Numbered, ...]]]:
    """Those whose number is in `part`; the first with up to REACH before it, of which what changed is measured."""
    before: deque[Numbered] = deque(maxlen=REACH)
    for number, message in selected(bag, image, selection):
        if part is not None and number >= part.stop:
            return
        if part is not None and number < part.start:
            before.append((number, message))
            continue
        yield (number, message), tuple(before)
        before.clear()


def expected(image: Topic, selection: Selection, part: range | None = None) -> int:
    """About how many frames that is."""
    inside = image.messages if part is None else min(len(part), image.messages - part.start)
    count = -(-inside // selection.stride)
    return min(count, selection.limit) if selection.limit else count
