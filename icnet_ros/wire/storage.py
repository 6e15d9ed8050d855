"""Reading the messages of a bag: through rosbags, or file by file if the bag is incomplete."""

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml
from mcap.records import Channel, Schema
from mcap.records import Message as McapMessage
from mcap.stream_reader import StreamReader
from rosbags.convert.converter import migrate_bytes
from rosbags.highlevel import AnyReader

from icnet_ros.wire.cdr import WireError, typestore
from icnet_ros.wire.decoders.table import base_of
from icnet_ros.wire.mcap_check import ChunkTooLargeError, check_mcap

FILES = (".mcap", ".db3")


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


class Message(NamedTuple):
    """topic, CDR bytes, and when it was recorded (ns since the epoch)."""

    topic: str
    data: bytes
    recorded_ns: int


class Storage(Protocol):
    """Topics and messages of a bag, independent of the file format."""

    def topics(self) -> list[Topic]:
        """All topics, by name."""

    def messages(self, topics: Sequence[str], start: int = 0) -> Iterator[Message]:
        """Messages of these topics in recorded order; any exception means that the rest is corrupt.

        start: only messages recorded at this time (ns) or later.
        """


class CompleteBag:
    """A complete bag of ROS 2 or ROS 1; messages of ROS 1 are converted to CDR."""

    def __init__(self, reader: AnyReader) -> None:
        """Raises ValueError if the counts of metadata.yaml are no numbers."""
        self._reader = reader
        self._topics = sorted(Topic(name, info.msgtype or "", info.msgcount) for name, info in reader.topics.items())
        if wrong := [topic for topic in self._topics if not isinstance(topic.messages, int)]:
            raise ValueError(f"metadata.yaml: message_count of {wrong[0].name} is {wrong[0].messages!r}, not a number")

    def topics(self) -> list[Topic]:
        """See Storage."""
        return self._topics

    def messages(self, topics: Sequence[str], start: int = 0) -> Iterator[Message]:
        """See Storage."""
        cache: dict[str, Any] = {}
        connections = [one for one in self._reader.connections if one.topic in topics]
        if not connections:
            return  # for rosbags an empty list means all
        for connection, recorded, data in self._reader.messages(connections, start or None):
            content: bytes | memoryview = data
            if not self._reader.is2:
                kind, store = connection.msgtype, typestore()
                content = migrate_bytes(
                    self._reader.typestore, store, kind, kind, cache, data, src_is2=False, dst_is2=True
                )
            yield Message(connection.topic, bytes(content), recorded)


class SequentialMcap:
    """An mcap file whose index is missing or corrupt: read sequentially as far as possible."""

    def __init__(self, path: Path, reason: str = "") -> None:
        """reason: what is wrong with the index. Raises ValueError if nothing can be read."""
        self._path, self._reason = path, reason
        self._topics: list[Topic] = []
        counts: Counter[tuple[str, str]] = Counter()
        try:
            for channel, kind, message in self._records():
                counts[channel.topic, kind] += message is not None
        except Exception as err:  # any type; expected where the file is truncated
            if not counts:
                raise ValueError(f"{path.name}: {type(err).__name__}: {err}") from err
        self._topics = sorted(Topic(name, kind, count) for (name, kind), count in counts.items())

    def topics(self) -> list[Topic]:
        """See Storage. Counts only readable messages."""
        return self._topics

    def messages(self, topics: Sequence[str], start: int = 0) -> Iterator[Message]:
        """See Storage."""
        try:
            for channel, _, message in self._records():
                if message is not None and channel.topic in topics and message.log_time >= start:
                    yield Message(channel.topic, message.data, message.log_time)
        except Exception as err:  # as above
            raise WireError(f"{self._path.name} is cut off ({type(err).__name__}): what follows is lost") from err
        if self._reason:
            raise WireError(f"{self._path.name}: {self._reason}; all messages that can be found were read")

    def _records(self) -> Iterator[tuple[Channel, str, McapMessage | None]]:
        """Channel records with their message type, and messages. Raises where the file is truncated."""
        schemas: dict[int, str] = {}
        channels: dict[int, Channel] = {}
        with self._path.open("rb") as file:
            for record in StreamReader(file, validate_crcs=False).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel):
                    channels[record.id] = record
                    yield record, schemas.get(record.schema_id, ""), None
                elif isinstance(record, McapMessage):
                    channel = channels[record.channel_id]
                    yield channel, schemas.get(channel.schema_id, ""), record


class IncompleteBag:
    """The files of a recording without a complete bag around them, read one after the other."""

    def __init__(self, parts: Sequence[Storage], missing: Sequence[str]) -> None:
        """missing: errors of the files of which nothing can be read."""
        self._parts, self._missing = parts, missing

    def topics(self) -> list[Topic]:
        """See Storage."""
        counts: Counter[tuple[str, str]] = Counter()
        for part in self._parts:
            for topic in part.topics():
                counts[topic.name, topic.kind] += topic.messages
        return sorted(Topic(name, kind, count) for (name, kind), count in counts.items())

    def messages(self, topics: Sequence[str], start: int = 0) -> Iterator[Message]:
        """See Storage. Continues with the next file if one is corrupt, and raises at the end."""
        problems = list(self._missing)
        for part in self._parts:
            try:
                yield from part.messages(topics, start)
            except Exception as err:  # as above
                problems.append(str(err))
        if problems:
            raise WireError("; ".join(problems))


@contextmanager
def open_storage(path: Path) -> Iterator[Storage]:
    """Open a complete or incomplete bag. Raises WireError if nothing of it can be read."""
    with ExitStack() as stack:
        try:
            for file in [path] if path.is_file() else sorted(path.iterdir()):
                if file.suffix == ".mcap":
                    check_mcap(file)
            storage: Storage = _complete(path, stack)
            if unread := _unread(path):
                storage = IncompleteBag([storage], unread)
        except ChunkTooLargeError:
            raise
        except Exception as err:  # rosbags raises many exception types for corrupt files
            storage = _files(path, err, stack)
        yield storage


def _complete(path: Path, stack: ExitStack) -> CompleteBag:
    return CompleteBag(stack.enter_context(AnyReader([path], default_typestore=typestore())))


def _files(path: Path, reason: Exception, stack: ExitStack) -> Storage:
    """A recorder that was killed leaves files without metadata.yaml, the last without its index."""
    files = [path]
    if path.is_dir():
        files = sorted((p for p in path.iterdir() if p.suffix in FILES), key=lambda p: (len(p.name), p.name))
    parts: list[Storage] = []
    problems: list[str] = _unread(path)
    for file in files:
        try:
            parts.append(_file(file, stack))
        except Exception as err:  # as above
            problems.append(f"{file.name}: {err}")
    if not parts:
        raise WireError(f"{path}: not a readable ROS bag: {reason}") from reason
    return IncompleteBag(parts, problems)


def _unread(path: Path) -> list[str]:
    """Files of a bag folder that are listed in metadata.yaml and missing, or there and will not be read."""
    if not path.is_dir():
        return []
    try:
        metadata = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        listed = {Path(name).name for name in metadata["relative_file_paths"]}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        listed = None  # all files are read, but those that were compressed as a whole
    problems = [f"{name}: missing" for name in sorted(listed or ()) if not (path / name).exists()]
    for file in sorted(path.iterdir()):
        compressed = file.suffix == ".zstd" and Path(file.stem).suffix in FILES
        if listed is None and compressed:
            problems.append(f"{file.name}: compressed, and not read without metadata.yaml; run `ros2 bag reindex`")
        elif listed is not None and (compressed or file.suffix in FILES) and file.name not in listed:
            problems.append(f"{file.name}: not listed in metadata.yaml; run `ros2 bag reindex`")
    return problems


def _file(path: Path, stack: ExitStack) -> Storage:
    if path.suffix == ".mcap":
        try:
            check_mcap(path)
        except ChunkTooLargeError:
            raise
        except ValueError as err:
            return SequentialMcap(path, str(err))
        except (OSError, struct.error):  # truncated
            return SequentialMcap(path)
    try:
        return _complete(path, stack)
    except Exception:
        if path.suffix != ".mcap":
            raise
        return SequentialMcap(path)
