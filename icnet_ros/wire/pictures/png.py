"""Whether a PNG file is whole, before it is decoded.

OpenCV (4.14) reserves as much memory for a chunk as its length says, gigabytes for a damaged one of a few bytes.
"""

from icnet_ros.wire.cdr import WireError

MAGIC = b"\x89PNG\r\n\x1a\n"
LAST = b"IEND"


def check_png(content: bytes) -> None:
    """Raise WireError for a PNG file with a chunk that goes beyond its end, or without its last chunk."""
    offset = len(MAGIC)
    while offset + 12 <= len(content):
        length, kind = int.from_bytes(content[offset : offset + 4], "big"), content[offset + 4 : offset + 8]
        offset += 12 + length
        if offset > len(content):
            raise WireError(
                f"PNG of {len(content)} bytes is truncated or damaged: its chunk {kind!r} has {length} bytes"
            )
        if kind == LAST:
            return
    raise WireError(f"PNG of {len(content)} bytes is truncated: it has no end")
