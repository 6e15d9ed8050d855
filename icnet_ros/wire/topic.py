"""Topics and messages of a bag, independent of the file format."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from icnet_ros.wire.cdr import COMPRESSED_IMAGE


class Topic(NamedTuple):
    """A topic of a bag. messages: how many it has."""

    name: str
    kind: str
    messages: int

    @property
    def compressed(self) -> bool:
        """Whether it carries sensor_msgs/CompressedImage."""
        return self.kind == COMPRESSED_IMAGE

    @property
    def base(self) -> str:
        """Name of the image topic it is a transport of: /camera/compressed -> /camera."""
        return self.name.removesuffix("/compressed") if self.compressed else self.name


class Message(NamedTuple):
    """topic, CDR bytes, and when it was recorded (ns since the epoch).

    problem: why the recorded bytes could not be turned into CDR, "" if they could; `data` is empty then.
    """

    topic: str
    data: bytes
    recorded_ns: int
    problem: str = ""


def sum_topics(topics: Iterable[Topic]) -> list[Topic]:
    """Topics by name; the messages of those with the same name and type are added up."""
    counts: Counter[tuple[str, str]] = Counter()
    for topic in topics:
        counts[topic.name, topic.kind] += topic.messages
    return sorted(Topic(name, kind, count) for (name, kind), count in counts.items())


def without_comments(definition: bytes) -> bytes:
    """A message definition without its comments and blank lines."""
    lines = (re.sub(rb"\s+", b" ", line.partition(b"#")[0]).strip() for line in definition.splitlines())
    return b"\n".join(line for line in lines if line)
