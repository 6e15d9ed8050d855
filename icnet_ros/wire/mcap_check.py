"""Checks of an mcap file before it is read: its index agrees with the records, no chunk unpacks to too much.

Readers find messages through the index; if it is corrupt, they skip messages without an error. They unpack a chunk
into memory whatever its size. The checks walk over the records by their lengths and do not decompress chunks.
Layout: https://mcap.dev/spec.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import zstandard

from icnet_ros.wire.cdr import WireError

MAGIC = b"\x89MCAP0\r\n"
FOOTER, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX, STATISTICS, DATA_END = 0x02, 0x05, 0x06, 0x07, 0x08, 0x0B, 0x0F
RECORD_HEADER = struct.Struct("<BQ")
MAX_CHUNK_BYTES = 2**30  # recorders write chunks of about a megabyte, or of one message if that is larger
ZSTD_HEADER = 18  # bytes, at most
FOOTER_SIZE = RECORD_HEADER.size + 20 + len(MAGIC)


class ChunkTooLargeError(WireError):
    """A chunk unpacks to more than MAX_CHUNK_BYTES."""


@dataclass
class _Found:
    """chunks: (start time, end time, offset, length). messages: by channel."""

    chunks: set[tuple[int, int, int, int]] = field(default_factory=set)
    messages: Counter[int] = field(default_factory=Counter)


def check_mcap(path: Path) -> None:
    """Raise ChunkTooLargeError, ValueError if the index differs from the records, struct.error for a truncated record.

    A file without an index passes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        data = _data(file)
        file.seek(size - FOOTER_SIZE + RECORD_HEADER.size)
        summary_start, _, declared_crc = struct.unpack("<QQI", file.read(20))
        if not summary_start:
            return
        if declared_crc:
            file.seek(summary_start)
            content = file.read(size - len(MAGIC) - 4 - summary_start)
            if crc32(content) != declared_crc:
                raise ValueError("its index is damaged: the checksum differs")
        indexed = _index(file, summary_start)
    if indexed.chunks != data.chunks:
        raise ValueError(
            f"its index is damaged: {len(indexed.chunks & data.chunks)} of {len(data.chunks)} chunks are in it"
        )
    for channel in indexed.messages.keys() | data.messages.keys():
        if indexed.messages[channel] != data.messages[channel]:
            raise ValueError(
                f"its index is damaged: {indexed.messages[channel]} messages of channel {channel} instead of "
                f"{data.messages[channel]}"
            )


def _data(file: BinaryIO) -> _Found:
    """Chunks and messages of the data section."""
    found = _Found()
    for opcode, offset, length in _records(file, len(MAGIC)):
        if opcode == DATA_END:
            break
        if opcode == CHUNK:
            start, end, unpacked = _chunk(file)
            if unpacked > MAX_CHUNK_BYTES:
                raise ChunkTooLargeError(
                    f"{file.name}: the chunk at byte {offset} unpacks to {unpacked / 2**30:.1f} GiB, more than "
                    f"{MAX_CHUNK_BYTES / 2**30:.0f} GiB: the file is corrupt, or made to exhaust memory"
                )
            found.chunks.add((start, end, offset, RECORD_HEADER.size + length))
        elif opcode == MESSAGE_INDEX:
            channel, size = struct.unpack("<HI", file.read(6))
            found.messages[channel] += size // 16  # time and offset of each message
        elif opcode == MESSAGE:
            found.messages[struct.unpack("<H", file.read(2))[0]] += 1
    return found


def _chunk(file: BinaryIO) -> tuple[int, int, int]:
    """Start time, end time and unpacked size in bytes, 0 if not compressed, of the chunk that the file is at."""
    start, end, size, _, length = struct.unpack("<QQQII", file.read(32))
    compression = file.read(min(length, 8))
    if compression == b"zstd":
        file.read(8)  # size of the compressed records
        try:
            declared = zstandard.frame_content_size(file.read(ZSTD_HEADER))
        except zstandard.ZstdError:  # not a zstd frame: reading it fails
            return start, end, 0
        return start, end, size if declared < 0 else declared  # -1: not declared, then readers stop at `size`
    return start, end, size if compression else 0


def _index(file: BinaryIO, start: int) -> _Found:
    """Chunks and messages according to the summary section."""
    found = _Found()
    for opcode, _, _ in _records(file, start):
        if opcode == FOOTER:
            break
        if opcode == CHUNK_INDEX:
            found.chunks.add(struct.unpack("<QQQQ", file.read(32)))
        elif opcode == STATISTICS:
            file.read(42)  # counts of everything, first and last time
            (size,) = struct.unpack("<I", file.read(4))
            found.messages.update(dict(struct.iter_unpack("<HQ", file.read(size))))
    return found


def _records(file: BinaryIO, start: int) -> Iterator[tuple[int, int, int]]:
    """(opcode, offset, length of the content) of records from `start` on; the file is positioned at the content."""
    offset = start
    while True:
        file.seek(offset)
        opcode, length = RECORD_HEADER.unpack(file.read(RECORD_HEADER.size))
        yield opcode, offset, length
        offset += RECORD_HEADER.size + length
