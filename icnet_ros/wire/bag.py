"""ROS 2 bags: which topics to use, messages as bytes in recorded order, and writing new ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import ReaderError, StoragePlugin, Writer, WriterError

from icnet_ros.share import share
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError, deserialise, typestore

TRUTH_WORDS = ("ground_truth", "groundtruth", "label", "annotation", "_gt", "/gt", "mask")


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
    """topic, bytes, and when it was recorded (ns since the epoch)."""

    topic: str
    data: bytes
    recorded_ns: int


class Bag:
    """An open ROS 2 bag (folder, or a single .mcap or .db3 file)."""

    def __init__(self, reader: AnyReader, path: Path) -> None:
        self._reader = reader
        self.path = path

    def topics(self) -> list[Topic]:
        """All topics, by name."""
        found = [Topic(name, info.msgtype or "", info.msgcount) for name, info in self._reader.topics.items()]
        return sorted(found)

    def image_topic(self, name: str = "") -> Topic:
        """The topic with camera images: the one named, or the only one that can be meant.

        A raw topic goes before the compressed one of the same camera; ground truth is none.
        Raises WireError that lists what there is.
        """
        images = [topic for topic in self.topics() if topic.kind in (IMAGE, COMPRESSED_IMAGE)]
        listing = ", ".join(f"{topic.name} ({topic.kind}, {topic.messages})" for topic in self.topics()) or "nothing"
        if name:
            for topic in images:
                if topic.name == name:
                    return topic
            raise WireError(f"{self.path}: no image topic {name!r}; the bag has {listing}")
        cameras = [topic for topic in images if topic.messages and not self._is_truth(topic)]
        bases = {topic.base for topic in cameras}
        if len(bases) != 1:
            problem = "no image topic" if not bases else f"{len(bases)} cameras: name one of their topics"
            raise WireError(f"{self.path}: {problem}; the bag has {listing}")
        return min(cameras, key=lambda topic: topic.compressed)

    def truth_topic(self, name: str = "") -> Topic | None:
        """The mono8 topic with ground-truth label images: the one named, or one that says so by name."""
        candidates = [topic for topic in self.topics() if topic.kind == IMAGE and topic.messages]
        if name:
            for topic in candidates:
                if topic.name == name:
                    return topic
            raise WireError(f"{self.path}: no image topic {name!r} for ground truth")
        return next((topic for topic in candidates if self._is_truth(topic)), None)

    def messages(self, *topics: str) -> Iterator[Message]:
        """Messages of these topics in recorded order. Raises WireError where the bag is damaged."""
        connections = [c for c in self._reader.connections if c.topic in topics]
        try:
            for connection, recorded, data in self._reader.messages(connections=connections):
                yield Message(connection.topic, bytes(data), recorded)
        except Exception as err:  # what a damaged file makes rosbags raise is not one class
            raise WireError(f"{self.path}: damaged: {type(err).__name__}: {err}") from err

    def _is_truth(self, topic: Topic) -> bool:
        if topic.kind != IMAGE or not any(word in topic.name.lower() for word in TRUTH_WORDS):
            return False
        first = next(self.messages(topic.name), None)
        return first is not None and deserialise(first.data, IMAGE).encoding in ("mono8", "8UC1")


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """Open a ROS 2 bag for reading. Raises WireError that says what is wrong with it."""
    path = Path(path)
    if not path.exists():
        raise WireError(f"{path}: no such bag")
    try:
        reader = AnyReader([path], default_typestore=typestore())
        reader.open()
    except (AnyReaderError, ReaderError, OSError, ValueError, KeyError, AssertionError) as err:
        raise WireError(f"{path}: not a readable ROS 2 bag: {err}") from err
    try:
        yield Bag(reader, path)
    finally:
        reader.close()


class BagWriter:
    """Writes serialised messages into a new mcap bag."""

    def __init__(self, path: Path, topics: Sequence[tuple[str, str]]) -> None:
        """topics: (name, message type). Raises WireError if the folder exists already."""
        definitions = typestore(share("msg", "FrameLatency.msg"))
        try:
            self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except WriterError as err:
            raise WireError(f"{path}: cannot write a bag: {err}") from err
        self._connections: dict[str, Connection] = {
            name: self._writer.add_connection(name, kind, typestore=definitions) for name, kind in topics
        }

    def write(self, topic: str, data: bytes, recorded_ns: int) -> None:
        """Append one message."""
        self._writer.write(self._connections[topic], recorded_ns, data)

    def close(self) -> None:
        """Complete the file; without this it cannot be read."""
        self._writer.close()
