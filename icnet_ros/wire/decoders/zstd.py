"""The transport `zstd` of image_transport: a header, then the pixels as zlib or gzip, in spite of its name.

Header, little-endian: height, width (uint32), byte order of the pixels (uint8), bytes in a row, length of the
encoding's name (uint32), its name.
"""

import struct
import zlib

import numpy as np

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.image import FAST
from icnet_ros.wire.decoders.pixels import CONVERTED, RawPixels
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, check_size

HEADER = struct.Struct("<IIBII")
LONGEST = 32  # characters of an encoding's name
DEPTH = ("16UC1", "32FC1", "mono16")
MAX_PIXEL_BYTES = 8
ZLIB_OR_GZIP = 47  # of zlib: recognise either


def is_zstd_transport(described: str, content: bytes) -> bool:
    """Whether a CompressedImage with this field `format` is of that transport; it was "" before it was "zstd"."""
    return described == "zstd" or (not described and _encoding(content) in (*FAST, *CONVERTED, *DEPTH))


def unpack_zstd_transport(
    content: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, *, header_only: bool = False
) -> RawPixels:
    """The image, of which header_only leaves out the pixels. Raises WireError."""
    if len(content) < HEADER.size:
        raise WireError(f"{len(content)} bytes of the transport zstd: its header has {HEADER.size}")
    height, width, big, step, length = HEADER.unpack_from(content)
    encoding = _encoding(content)
    if not encoding:
        raise WireError(f"{len(content)} bytes of the transport zstd: no name of an encoding in the header")
    check_size(height, width, max_pixels)
    size = 0 if header_only else int(height) * int(step)
    if size > max_pixels * MAX_PIXEL_BYTES:
        raise WireError(f"transport zstd declares {height} rows of {step} bytes for {width}x{height} pixels")
    pixels = b""
    if size:
        # Planes of chroma come behind the rows that are counted.
        unpacker = zlib.decompressobj(ZLIB_OR_GZIP)
        try:
            pixels = unpacker.decompress(content[HEADER.size + length :], 3 * size)
        except zlib.error as err:
            raise WireError(f"{len(content)} bytes of the transport zstd cannot be unpacked: {err}") from err
        if not unpacker.eof:
            raise WireError(f"{len(content)} bytes of the transport zstd are cut off, or unpack to too much")
    return RawPixels(height, width, encoding, big, step, np.frombuffer(pixels, np.uint8))


def _encoding(content: bytes) -> str:
    """Name of the encoding in the header, "" if there is none."""
    if len(content) < HEADER.size:
        return ""
    length = HEADER.unpack_from(content)[4]
    name = content[HEADER.size : HEADER.size + length]
    return name.decode() if 0 < length <= LONGEST and len(name) == length and name.isascii() else ""
