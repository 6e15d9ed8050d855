"""Decoder of image files for messages, datasets and files; rejects truncated ones."""

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as PillowImage

from icnet_ros.wire.cdr import WireError

UInt8 = npt.NDArray[np.uint8]
START_OF_SCAN, STANDALONE = 0xDA, (0x01, *range(0xD0, 0xD9))  # JPEG markers; the standalone ones have no length
END = b"\xff\xd9"
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


def picture_size(content: bytes) -> tuple[str, int, int]:
    """("JPEG" or "PNG", height, width) of a file, from its header alone. Raises WireError for other files."""
    try:
        with PillowImage.open(io.BytesIO(content), formats=("JPEG", "PNG")) as probe:
            width, height = probe.size
            return str(probe.format), height, width
    except PillowImage.DecompressionBombError as err:
        raise WireError(f"compressed image of {len(content)} bytes is refused: {err}") from err
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as err:
        raise WireError(f"{len(content)} bytes: not a JPEG or PNG ({err})") from err


def is_turned(content: bytes) -> bool:
    """Whether the EXIF data of a JPEG or PNG file asks viewers to turn or mirror it."""
    with PillowImage.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
        return bool(picture.getexif().get(ExifTags.Base.Orientation, 1) != 1)


def decode_picture(content: bytes, kind: str, height: int, width: int) -> UInt8:
    """BGR uint8 (height, width, 3) of a JPEG or PNG file of that size. Raises WireError if it is damaged.

    The orientation in EXIF data is ignored, as in camera messages.
    """
    # libjpeg fills missing data with grey and only warns.
    if kind == "JPEG" and not jpeg_is_complete(content):
        raise WireError(f"JPEG of {len(content)} bytes is truncated: it has no end marker")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as err:
        raise WireError(f"{kind} of {len(content)} bytes cannot be decoded: {err}") from err
    if pixels is None or pixels.shape[:2] != (height, width):
        raise WireError(f"{kind} of {len(content)} bytes, {width}x{height}, cannot be decoded: it is damaged")
    found: UInt8 = np.asarray(pixels)
    return found


def read_picture(path: Path) -> UInt8:
    """BGR uint8 (H, W, 3) of a picture file of any format that OpenCV reads. Raises WireError that names it."""
    try:
        content = path.read_bytes()
    except OSError as err:
        raise WireError(f"{path}: cannot be read: {err.strerror or err}") from err
    if content[:2] == b"\xff\xd8" and not jpeg_is_complete(content):
        raise WireError(f"{path}: JPEG of {len(content)} bytes is truncated: it has no end marker")
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if pixels is None:
        raise WireError(f"{path}: not a readable picture")
    found: UInt8 = np.asarray(pixels)
    return found


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
