"""Where the chunks, channels and messages of an mcap file are: by walking over its records.

All that the specification makes optional may be missing: statistics, message indexes, chunk indexes, repeated channels
and schemas, the whole summary (https://mcap.dev/spec). Chunks are found by the walk, which does not decompress them;
the summary is only compared with it, as far as both have the same thing. If the summary does not say enough, or
disagrees, the chunks are unpacked once to find out what is in them.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Schema

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage.mcap_chunk import MAX_CHUNK_BYTES, RECORD_HEADER, McapChunk, read_declared, unpack_records

MAGIC = b"\x89MCAP0\r\n"
ZSTD_HEADER = 18  # bytes, at most
CUT_OFF = "is cut off: what follows is lost"
CUT_OFF_INDEX = "is cut off in its index; all messages were read"
FOOTER_SIZE = RECORD_HEADER.size + 20 + len(MAGIC)
NO_MESSAGES = 2**64 - 1  # start time in the header of a chunk without messages, by mcap C++ 2.0.1 to 2.1.3


class ChunkTooLargeError(WireError):
    """A chunk unpacks to more than MAX_CHUNK_BYTES."""


@dataclass
class McapLayout:
    """Contents of an mcap file.

    chunks: in the order of the file. loose: messages outside chunks by channel. counts: messages by channel, for the
    reader to be compared with. problems: why messages may be missing. cut: says where the file ends before its end.
    ends_with_record: whether a file that is cut off ends with a whole record, as if its recorder was killed.
    """

    chunks: list[McapChunk] = field(default_factory=list)
    loose: Counter[int] = field(default_factory=Counter)
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    cut: str = ""
    ends_with_record: bool = False

    def declare(self, record: Schema | Channel) -> None:
        """Add a schema or channel record."""
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        else:
            self.channels[record.id] = record


@dataclass
class _Summary:
    """chunks: offset -> (start time, end time, length). counts: messages by channel; empty: not known."""

    chunks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    records: list[Schema | Channel] = field(default_factory=list)


def mcap_layout(path: Path) -> McapLayout:
    """Layout of a file; cached as long as the file is the same. Raises WireError if it is no mcap file."""
    state = path.stat()
    return _layout(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _layout(path: Path, size: int, modified: int) -> McapLayout:  # noqa: ARG001  of the cache's key
    layout = McapLayout()
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise WireError("not an mcap file")
        _walk(file, size, layout)
        summary = None if layout.cut else _checked_summary(file, size, layout)
        for record in summary.records if summary else ():
            layout.declare(record)
        if summary is None or not _is_sufficient(summary, layout):
            _unpack(file, layout)
        else:
            layout.counts = summary.counts
    if layout.cut and not layout.channels:
        raise WireError(f"it ends after {size} bytes, before the first message")
    return layout


def _walk(file: BinaryIO, size: int, layout: McapLayout) -> None:
    """Find chunks and loose messages. Sets `cut` where a record does not fit into the file."""
    offset = length = 0
    try:
        for opcode, offset, length in records(file, len(MAGIC)):
            if opcode == 0:
                layout.problems.append(f"no record at byte {offset}")
                layout.cut = CUT_OFF
                return
            whole = offset + RECORD_HEADER.size + length <= size
            if opcode == Opcode.CHUNK:
                layout.chunks.append(_chunk(file, offset, length))
            elif not whole:
                layout.cut = CUT_OFF
            elif opcode == Opcode.MESSAGE_INDEX and layout.chunks:
                channel, indexed = struct.unpack("<HI", file.read(6))
                layout.chunks[-1].indexed[channel] += indexed // 16  # time and offset of each message
            elif opcode == Opcode.MESSAGE:
                layout.loose[struct.unpack("<H", file.read(2))[0]] += 1
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                layout.declare(parse_record(opcode, read_declared(file, length)))
            elif opcode == Opcode.DATA_END:
                return
            layout.cut = layout.cut or ("" if whole else CUT_OFF)
            if layout.cut:
                return
    except struct.error:  # the header of a record is not whole, or there is none
        layout.cut = CUT_OFF
        layout.ends_with_record = file.tell() == offset + RECORD_HEADER.size + length


def _chunk(file: BinaryIO, offset: int, length: int) -> McapChunk:
    """The chunk whose content the file is at. Raises ChunkTooLargeError."""
    start, end, unpacked, crc, name = struct.unpack("<QQQII", file.read(32))
    compression = file.read(min(name, 8)).decode(errors="replace")
    (packed,) = struct.unpack("<Q", file.read(8))
    if compression == "zstd":
        try:
            unpacked = max(unpacked, zstandard.frame_content_size(file.read(ZSTD_HEADER)))  # -1: not declared
        except zstandard.ZstdError:  # not a zstd frame: reading it fails
            unpacked = 0
    if compression and unpacked > MAX_CHUNK_BYTES:
        raise ChunkTooLargeError(
            f"{file.name}: the chunk at byte {offset} unpacks to {unpacked / 2**30:.1f} GiB, more than "
            f"{MAX_CHUNK_BYTES / 2**30:.0f} GiB: the file is corrupt, or made to exhaust memory"
        )
    data = offset + RECORD_HEADER.size + 40 + name
    packed = min(packed, max(0, length - 40 - name))
    return McapChunk(offset, RECORD_HEADER.size + length, start, end, compression, crc, unpacked, data, packed)


def _checked_summary(file: BinaryIO, size: int, layout: McapLayout) -> _Summary | None:
    """The summary section, None if there is none, or if it is damaged: then that is one of the problems."""
    try:
        summary = _summary(file, size, layout)
        if summary is not None:
            _compare(summary, layout)
    except (struct.error, ValueError, OSError, OverflowError) as err:
        reason = "" if isinstance(err, (struct.error, OverflowError)) else f": {err}"
        layout.problems.append(f"its index is damaged{reason}")
        return None
    return summary


def _summary(file: BinaryIO, size: int, layout: McapLayout) -> _Summary | None:
    file.seek(size - FOOTER_SIZE)
    opcode, _ = RECORD_HEADER.unpack(file.read(RECORD_HEADER.size))
    start, _, declared_crc = struct.unpack("<QQI", file.read(20))
    if opcode != Opcode.FOOTER:
        layout.cut = CUT_OFF_INDEX
    if not start or layout.cut:
        return None
    if declared_crc:
        file.seek(start)
        if crc32(file.read(max(0, size - len(MAGIC) - 4 - start))) != declared_crc:
            raise ValueError("the checksum differs")
    summary = _Summary()
    for opcode, _, length in records(file, start):
        if opcode == Opcode.FOOTER:
            break
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            summary.records.append(parse_record(opcode, read_declared(file, length)))
        elif opcode == Opcode.CHUNK_INDEX:
            first, last, offset, size_of_chunk = struct.unpack("<QQQQ", file.read(32))
            summary.chunks[offset] = first, last, size_of_chunk
        elif opcode == Opcode.STATISTICS:
            file.read(42)  # counts of everything, first and last time
            (pairs,) = struct.unpack("<I", file.read(4))
            summary.counts.update(dict(struct.iter_unpack("<HQ", read_declared(file, pairs))))
    return summary


def _compare(summary: _Summary, layout: McapLayout) -> None:
    """Raise ValueError if the summary and the records that were found differ in what both of them have."""
    found = {chunk.offset: chunk for chunk in layout.chunks}
    for offset, (start, end, length) in summary.chunks.items():
        chunk = found.get(offset)
        if chunk is None or chunk.length != length:
            raise ValueError(f"no chunk at byte {offset}")
        if (start, end) != (chunk.start, chunk.end) and not (chunk.start == NO_MESSAGES and not chunk.indexed):
            raise ValueError(f"other times of the chunk at byte {offset}")
    indexed = _indexed(layout)
    if not summary.counts or not (indexed or not layout.chunks):
        return
    for channel in summary.counts.keys() | indexed.keys():
        if summary.counts[channel] != indexed[channel]:
            raise ValueError(f"{summary.counts[channel]} messages of channel {channel} instead of {indexed[channel]}")


def _indexed(layout: McapLayout) -> Counter[int]:
    """Messages by channel, as far as they are outside chunks or in message indexes."""
    indexed = +layout.loose
    for chunk in layout.chunks:
        indexed.update(chunk.indexed)
    return indexed


def _is_sufficient(summary: _Summary, layout: McapLayout) -> bool:
    """Whether times of all chunks are confirmed and channels and their counts are known."""
    described = all(channel in layout.channels for channel in summary.counts) and all(
        channel.schema_id in layout.schemas for channel in layout.channels.values()
    )
    confirmed = all(chunk.offset in summary.chunks or not chunk.indexed for chunk in layout.chunks)
    return bool(layout.channels) and described and confirmed and _indexed(layout) == +summary.counts != Counter()


def _unpack(file: BinaryIO, layout: McapLayout) -> None:
    """Find out what is in each chunk; errors are left to the reader, which comes upon them again."""
    layout.counts = Counter(layout.loose)
    for chunk in layout.chunks:
        times: list[int] = []
        chunk.indexed = Counter()
        found = unpack_records(file, chunk)
        for opcode, content in found.records:
            if opcode == Opcode.MESSAGE and len(content) >= 22:
                channel, time = struct.unpack_from("<H4xQ", content)
                chunk.indexed[channel] += 1
                times.append(time)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                try:
                    layout.declare(parse_record(opcode, bytes(content)))
                except ValueError as err:
                    layout.problems.append(str(err))
        layout.counts += chunk.indexed
        chunk.start, chunk.end = min(times, default=0), max(times, default=0)


def parse_record(opcode: int, content: bytes) -> Schema | Channel:
    """A schema or channel record. Raises ValueError."""
    kind: type[Schema | Channel] = Schema if opcode == Opcode.SCHEMA else Channel
    try:
        record: Schema | Channel = kind.read(ReadDataStream(BytesIO(content)))
    except Exception as err:  # mcap's own exceptions, struct.error, UnicodeDecodeError
        raise ValueError(f"a damaged record of a {kind.__name__.lower()}") from err
    return record


def records(file: BinaryIO, start: int) -> Iterator[tuple[int, int, int]]:
    """(opcode, offset, length of the content) of records from `start` on; the file is positioned at the content.

    Raises struct.error at the end of the file.
    """
    offset = start
    while True:
        file.seek(offset)
        opcode, length = RECORD_HEADER.unpack(file.read(RECORD_HEADER.size))
        yield opcode, offset, length
        offset += RECORD_HEADER.size + length
