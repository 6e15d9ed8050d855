"""Decoder of image files for messages, datasets and files; rejects truncated ones."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as PillowImage

from icnet_ros.wire.cdr import WireError

UInt8 = npt.NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP")  # by their names in Pillow
NAMES = "JPEG, PNG, TIFF, WebP, AVIF or BMP"
LOSSLESS = ("PNG", "TIFF", "BMP")
START_OF_SCAN, STANDALONE = 0xDA, (0x01, *range(0xD0, 0xD9))  # JPEG markers; the standalone ones have no length
END = b"\xff\xd9"
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


def picture_size(content: bytes) -> tuple[str, int, int]:
    """(one of FORMATS, height, width) of a file, from its header alone. Raises WireError for other files."""
    try:
        with PillowImage.open(io.BytesIO(content), formats=FORMATS) as probe:
            width, height = probe.size
            return str(probe.format), height, width
    except PillowImage.DecompressionBombError as err:
        raise WireError(f"compressed image of {len(content)} bytes is refused: {err}") from err
    except UnidentifiedImageError as err:  # its text holds an address in memory
        raise WireError(f"{len(content)} bytes: not a {NAMES}, they begin with {content[:12].hex(' ')}") from err
    except (OSError, ValueError, SyntaxError) as err:
        raise WireError(f"{len(content)} bytes: not a {NAMES} ({err})") from err


def is_turned(content: bytes) -> bool:
    """Whether the EXIF data of a picture file asks viewers to turn or mirror it."""
    with PillowImage.open(io.BytesIO(content), formats=FORMATS) as picture:
        return bool(picture.getexif().get(ExifTags.Base.Orientation, 1) != 1)


def decode_picture(content: bytes, kind: str, height: int, width: int) -> UInt8:
    """BGR uint8 (height, width, 3) of a file of that kind and size. Raises WireError if it is damaged.

    The orientation in EXIF data is ignored, as in camera messages.
    """
    if kind == "JPEG":
        # libjpeg fills missing data with grey and only warns.
        if not jpeg_is_complete(content):
            raise WireError(f"JPEG of {len(content)} bytes is truncated: it has no end marker")
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    else:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_ANYDEPTH
    return _as_8_bits(_decode(content, kind, height, width, flags), kind)


def decode_mosaic(content: bytes, kind: str, height: int, width: int) -> npt.NDArray[Any] | None:
    """Pixels uint8 or uint16 (height, width) of a file of one channel, None if it has more. Raises WireError."""
    pixels = _decode(content, kind, height, width, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels if pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16) else None


def _decode(content: bytes, kind: str, height: int, width: int, flags: int) -> npt.NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as err:
        raise WireError(f"{kind} of {len(content)} bytes cannot be decoded: {err}") from err
    if pixels is None or pixels.shape[:2] != (height, width):
        raise WireError(f"{kind} of {len(content)} bytes, {width}x{height}, cannot be decoded: it is damaged")
    return np.asarray(pixels)


def _as_8_bits(pixels: npt.NDArray[Any], kind: str) -> UInt8:
    """16 bits become 8 as in raw images: the largest value is 255."""
    if pixels.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=255 / 65535), np.uint8)
    if pixels.dtype != np.uint8:
        raise WireError(f"{kind} of {pixels.dtype} values: pictures have 8 or 16 bits")
    return pixels


def read_picture(path: Path) -> UInt8:
    """BGR uint8 (H, W, 3) of a picture file of any format that OpenCV reads. Raises WireError that names it."""
    try:
        content = path.read_bytes()
    except OSError as err:
        raise WireError(f"{path}: cannot be read: {err.strerror or err}") from err
    if content[:2] == b"\xff\xd8" and not jpeg_is_complete(content):
        raise WireError(f"{path}: JPEG of {len(content)} bytes is truncated: it has no end marker")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if pixels is None:
        raise WireError(f"{path}: not a readable picture")
    try:
        return _as_8_bits(np.asarray(pixels), "picture")
    except WireError as err:
        raise WireError(f"{path}: {err}") from err


def write_picture(path: Path, pixels: UInt8) -> None:
    """Write pixels as a file of the kind that its suffix names. Raises OSError."""
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"{path} cannot be written")


def jpeg_is_complete(content: bytes) -> bool:
    """Whether the compressed data of a JPEG file ends with an end marker, whatever follows it.

    Segments before the data are skipped by their length: a thumbnail in them has an end marker of its own.
    """
    offset = 2
    while offset + 4 <= len(content) and content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker == START_OF_SCAN:
            return content.find(END, offset) >= 0
        if marker == 0xFF:  # fill byte
            offset += 1
        elif marker in STANDALONE:
            offset += 2
        else:
            offset += 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
    return False
