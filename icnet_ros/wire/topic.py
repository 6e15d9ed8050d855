"""Topics and messages of a bag, independent of the file format."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.table import base_of


class Topic(NamedTuple):
    """A topic of a bag. messages: how many it has. encoding: how they are serialised, as in `decoders.table`."""

    name: str
    kind: str
    messages: int
    encoding: str = "cdr"

    @property
    def base(self) -> str:
        """Name of the image topic it is a transport of: /camera/compressed -> /camera."""
        return base_of(self.name, self.kind, self.encoding)

    @property
    def described(self) -> str:
        """Its type, and how messages are serialised if not as ROS 2 does it."""
        return self.kind if self.encoding == "cdr" else f"{self.kind} in {self.encoding}"


class Message(NamedTuple):
    """topic, CDR bytes, and when it was recorded (ns since the epoch).

    problem: why the recorded bytes could not be turned into CDR, "" if they could; `data` is empty then.
    """

    topic: str
    data: bytes
    recorded_ns: int
    problem: str = ""

    def content(self) -> bytes:
        """`data`. Raises WireError if there is none."""
        if self.problem:
            raise WireError(self.problem)
        return self.data


def sum_topics(topics: Iterable[Topic]) -> list[Topic]:
    """Topics by name; the messages of those of the same name, type and encoding are added up."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for topic in topics:
        counts[topic.name, topic.kind, topic.encoding] += topic.messages
    return sorted(Topic(name, kind, count, encoding) for (name, kind, encoding), count in counts.items())


def without_comments(definition: bytes) -> bytes:
    """A message definition without its comments and blank lines."""
    lines = (re.sub(rb"\s+", b" ", line.partition(b"#")[0]).strip() for line in definition.splitlines())
    return b"\n".join(line for line in lines if line)


def ros_name(name: str) -> str:
    """The name of ROS 2 for a recorded topic: other programs also write "front camera", "cam-1" or "cam/0"."""
    parts = [re.sub(r"[^A-Za-z0-9_]", "_", part) for part in name.split("/") if part] or [""]
    return "".join(f"/_{part}" if not part or part[0].isdigit() else f"/{part}" for part in parts)


def kinds_by_folder(topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
    """Type by name of the topics in each folder, transports of an image under its name."""
    kinds: dict[str, dict[str, str]] = {}
    for topic in topics:
        folder, _, name = base_of(topic.name).rpartition("/")
        kinds.setdefault(folder, {})[name] = topic.kind
    return kinds
