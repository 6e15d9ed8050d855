"""Reads the messages of an mcap file."""

import heapq
import struct
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage.mcap_chunk import McapChunk, read_declared, unpack_records
from icnet_ros.wire.storage.mcap_layout import MAGIC, mcap_layout, records
from icnet_ros.wire.storage.payload import Payload, as_cdr
from icnet_ros.wire.topic import Message, Topic, sum_topics, without_comments

MESSAGE_HEADER = struct.Struct("<HIQQ")  # channel, sequence number, log time, publish time
Entry = tuple[int, int, int, int, bytes]  # log time, offset of the chunk, position in it, channel, content


class McapFile:
    """An mcap file, whatever parts of an index it has. Messages of chunks come in the order of their log times."""

    def __init__(self, path: Path) -> None:
        """Raises WireError if nothing of it can be read."""
        self._path, self._layout = path, mcap_layout(path)
        self._payloads: dict[int, Payload] = {}
        self._topics: dict[int, Topic] = {}
        for number, channel in self._layout.channels.items():
            schema = self._layout.schemas.get(channel.schema_id)
            payload = as_cdr(schema.name if schema else "", channel.message_encoding)
            self._payloads[number] = payload
            self._topics[number] = Topic(channel.topic, payload.kind, self._layout.counts[number], payload.encoding)
        self.problems = self._problems()

    def confirm_end(self) -> None:
        """The file is known to have all its messages, even if it has no end."""
        if self._layout.ends_with_record:
            self.problems = [problem for problem in self.problems if not problem.endswith(self._layout.cut)]

    def topics(self) -> list[Topic]:
        """See Storage."""
        return sum_topics(self._topics.values())

    def remarks(self, topic: Topic) -> list[str]:
        """See Storage."""
        texts = set()
        for channel in self._layout.channels.values():
            schema = self._layout.schemas.get(channel.schema_id)
            if schema and channel.topic == topic.name and self._topics[channel.id].kind == topic.kind:
                texts.add(without_comments(schema.data))
        return [f"{self._path.name} has two definitions of {topic.kind}"] if len(texts) > 1 else []

    def messages(self, topics: Sequence[Topic], start: int | None = None) -> Iterator[Message]:
        """See Storage."""
        names = {(topic.name, topic.kind) for topic in topics}
        wanted = {number: topic.name for number, topic in self._topics.items() if (topic.name, topic.kind) in names}
        problems = list(self.problems)
        with self._path.open("rb") as file:
            entries = self._in_file_order if self._layout.loose else self._in_time_order
            for time, _, _, channel, content in entries(file, wanted, start or 0, problems):
                data, problem = self._payloads[channel](content)
                yield Message(wanted[channel], data, time, problem)
        if problems:
            raise WireError("; ".join(dict.fromkeys(problems)))

    def _problems(self) -> list[str]:
        layout, name = self._layout, self._path.name
        problems = [f"{name}: {problem}; all messages that can be found were read" for problem in layout.problems]
        if layout.cut:
            problems.append(f"{name} {layout.cut}")
        unknown = sum(count for number, count in layout.counts.items() if number not in layout.channels)
        if unknown:
            problems.append(f"{name}: {unknown} messages are of channels that the file does not describe")
        return problems

    def _in_time_order(
        self, file: BinaryIO, wanted: Container[int], start: int, problems: list[str]
    ) -> Iterator[Entry]:
        """Messages of chunks, which may overlap in time."""
        pending: list[Entry] = []
        for chunk in sorted(self._layout.chunks, key=lambda chunk: (chunk.start, chunk.offset)):
            if chunk.end < start or not any(channel in wanted for channel in chunk.indexed):
                continue
            while pending and pending[0][0] < chunk.start:
                yield heapq.heappop(pending)
            for entry in self._of_chunk(file, chunk, wanted, problems):
                if entry[0] >= start:
                    heapq.heappush(pending, entry)
        while pending:
            yield heapq.heappop(pending)

    def _in_file_order(
        self, file: BinaryIO, wanted: Container[int], start: int, problems: list[str]
    ) -> Iterator[Entry]:
        """Messages of a file that has some outside chunks, as they were written."""
        chunks = {chunk.offset: chunk for chunk in self._layout.chunks}
        with suppress(struct.error):  # the end of a file that is cut off
            for opcode, offset, length in records(file, len(MAGIC)):
                if opcode in (0, Opcode.DATA_END):
                    return
                found: Iterable[Entry] = ()
                if opcode == Opcode.MESSAGE:
                    content = read_declared(file, length)
                    whole = len(content) == length >= MESSAGE_HEADER.size
                    found = _message(content, offset, 0, wanted) if whole else ()
                elif offset in chunks:
                    found = self._of_chunk(file, chunks[offset], wanted, problems)
                yield from (entry for entry in found if entry[0] >= start)

    def _of_chunk(
        self, file: BinaryIO, chunk: McapChunk, wanted: Container[int], problems: list[str]
    ) -> Iterator[Entry]:
        unpacked = unpack_records(file, chunk)
        for position, (opcode, content) in enumerate(unpacked.records):
            if opcode == Opcode.MESSAGE and len(content) >= MESSAGE_HEADER.size:
                yield from _message(content, chunk.offset, position, wanted)
        if unpacked.problem:
            problems.append(f"{self._path.name}: the chunk at byte {chunk.offset}: {unpacked.problem}")


def _message(content: bytes | memoryview, offset: int, position: int, wanted: Container[int]) -> Iterator[Entry]:
    channel, _, time, _ = MESSAGE_HEADER.unpack_from(content)
    if channel in wanted:
        yield time, offset, position, channel, bytes(content[MESSAGE_HEADER.size :])
