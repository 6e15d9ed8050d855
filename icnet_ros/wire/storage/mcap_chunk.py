"""Unpacks a chunk of an mcap file, as far as it is whole."""

import os
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO
from zlib import crc32

import lz4.frame
import zstandard

RECORD_HEADER = struct.Struct("<BQ")
MAX_CHUNK_BYTES = 2**30  # recorders write chunks of about a megabyte, or of one message if that is larger
PIECE = 1 << 20


@dataclass
class McapChunk:
    """A chunk record.

    offset, length: of the record in the file. start, end: log times (ns) of its first and last message. compression:
    "", "lz4" or "zstd". crc: of the unpacked records, 0 if there is none. unpacked: their size. data, packed: offset
    and size of the packed records. indexed: messages by channel according to the message indexes behind it.
    """

    offset: int
    length: int
    start: int
    end: int
    compression: str
    crc: int
    unpacked: int
    data: int
    packed: int
    indexed: Counter[int] = field(default_factory=Counter)


@dataclass
class UnpackedChunk:
    """The unpacked bytes of a chunk. problem: why records may be missing or wrong, "" if none are."""

    content: bytes
    problem: str = ""

    @property
    def records(self) -> Iterator[tuple[int, memoryview]]:
        """Opcode and content of each record; sets `problem` if the last one is not whole."""
        view, at = memoryview(self.content), 0
        while at < len(view):
            if at + RECORD_HEADER.size > len(view):
                break
            opcode, length = RECORD_HEADER.unpack_from(view, at)
            at += RECORD_HEADER.size
            if at + length > len(view):
                break
            yield opcode, view[at : at + length]
            at += length
        else:
            return
        self.problem = self.problem or "its last record is cut off"


def read_declared(file: BinaryIO, length: int) -> bytes:
    """`length` bytes, as many as a record says it has, or the rest of the file.

    `read` would allocate as much memory as it is asked for, whatever the file holds.
    """
    left = os.fstat(file.fileno()).st_size - file.tell()
    return file.read(max(0, min(length, left)))


def unpack_records(file: BinaryIO, chunk: McapChunk) -> UnpackedChunk:
    """Records of a chunk, as far as they can be unpacked; `problem` says why some cannot."""
    file.seek(chunk.data)
    packed = read_declared(file, chunk.packed)
    content, problem = packed, "" if len(packed) == chunk.packed else "it is cut off"
    if chunk.compression in ("zstd", "lz4"):
        content, found = _unpacked(packed, chunk)
        problem = problem or found
    elif chunk.compression:
        return UnpackedChunk(b"", f"compression {chunk.compression!r} is none of zstd, lz4")
    if not problem and chunk.crc and crc32(content) != chunk.crc:
        problem = "its checksum differs"
    return UnpackedChunk(content, problem)


def _unpacked(packed: bytes, chunk: McapChunk) -> tuple[bytes, str]:
    """What can be unpacked, and why the rest cannot."""
    try:
        # Without a size in its header, `decompress` would allocate what the chunk declares.
        if chunk.compression == "zstd" and zstandard.frame_content_size(packed) >= 0:
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=chunk.unpacked), ""
        if chunk.compression == "lz4":
            whole = lz4.frame.LZ4FrameDecompressor()
            content = whole.decompress(packed, max_length=MAX_CHUNK_BYTES)
            if whole.eof:
                return content, ""
    except (zstandard.ZstdError, RuntimeError, EOFError, MemoryError):
        pass
    parts: list[bytes] = []
    try:
        parts.extend(islice(_pieces(packed, chunk.compression), MAX_CHUNK_BYTES // PIECE))
    except (zstandard.ZstdError, RuntimeError, EOFError) as err:
        return b"".join(parts), f"it cannot be unpacked ({err})"
    content = b"".join(parts)
    return content, "" if len(content) == chunk.unpacked else "its compressed data is cut off"


def _pieces(packed: bytes, compression: str) -> Iterator[bytes]:
    """The unpacked data, at most PIECE bytes at a time."""
    if compression == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            while piece := reader.read(PIECE):
                yield piece
        return
    unpacker = lz4.frame.LZ4FrameDecompressor()
    piece = unpacker.decompress(packed, max_length=PIECE)
    while piece:
        yield piece
        piece = b"" if unpacker.eof else unpacker.decompress(b"", max_length=PIECE)
