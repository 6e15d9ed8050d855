"""JPEG files -> pixels; damaged ones are told from whole ones.

libjpeg fills missing data with grey and only warns. OpenCV (4.14) prints these warnings to stderr and returns the
picture; simplejpeg, which decodes with libjpeg-turbo too and gives the same pixels, raises them.
"""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.wire.cdr import Header, WireError

try:
    import simplejpeg
except ImportError:  # only the structure of the file is checked then
    simplejpeg = None

UInt8 = npt.NDArray[np.uint8]
START_OF_SCAN, STANDALONE = 0xDA, (0x01, *range(0xD0, 0xD9))  # JPEG markers; the standalone ones have no length
END = b"\xff\xd9"
MAX_SCANS = 100  # cameras write 1, progressive files about 10; each costs as much as decoding the picture
FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class DamagedImageError(WireError):
    """A picture that can be decoded only in part: some of its pixels would be invented.

    header: of the message that it came in, None for a file.
    """

    def __init__(self, problem: str, content: bytes, header: Header | None = None) -> None:
        super().__init__(problem)
        self._content, self.header = content, header

    def __reduce__(self) -> tuple[type["DamagedImageError"], tuple[str, bytes]]:  # between processes
        return type(self), (str(self), b"")

    def in_message(self, header: Header) -> "DamagedImageError":
        """The same error of a picture in a message."""
        return DamagedImageError(str(self), self._content, header)

    def in_file(self, path: Path) -> "DamagedImageError":
        """The same error of a picture file."""
        return DamagedImageError(f"{path}: {self}", self._content)

    def pixels(self) -> UInt8:
        """BGR uint8 (H, W, 3); what is missing is as libjpeg fills it. Raises WireError if nothing can be decoded.

        A file is turned as its EXIF data says, a message is not.
        """
        # OpenCV refuses a file that ends before its end marker.
        return _by_opencv(self._content + END, cv2.IMREAD_COLOR if self.header is None else FLAGS)


def detects_damage() -> bool:
    """Whether damaged data is found, and not only a missing end: needs the package simplejpeg."""
    return simplejpeg is not None


def decode_jpeg(content: bytes) -> UInt8:
    """BGR uint8 (H, W, 3) of a JPEG file; the orientation in EXIF data is ignored.

    Raises DamagedImageError if data is missing or damaged, and WireError if it cannot be decoded at all. Damage that
    gives a valid stream of data again cannot be seen: a JPEG has no checksum. Data behind the end marker is ignored.
    """
    size = f"JPEG of {len(content)} bytes"
    if (scans := content.count(bytes((0xFF, START_OF_SCAN)))) > MAX_SCANS:
        raise WireError(f"{size} has {scans} scans, at most {MAX_SCANS} are decoded: save it as a baseline JPEG")
    if not jpeg_is_complete(content):
        raise DamagedImageError(f"{size} is truncated: it has no end marker", content)
    if simplejpeg is None:
        return _by_opencv(content)
    try:
        pixels: UInt8 = simplejpeg.decode_jpeg(content, "BGR")
    except ValueError as err:
        return _refuse_damaged(content, size, str(err))
    return pixels


def _refuse_damaged(content: bytes, size: str, problem: str) -> UInt8:
    """Raise DamagedImageError if only a warning of libjpeg was the problem; else OpenCV may know this kind of JPEG."""
    try:
        simplejpeg.decode_jpeg(content, "BGR", strict=False)
    except ValueError:
        return _by_opencv(content)  # such as CMYK
    raise DamagedImageError(f"{size} is damaged: {problem}", content)


def _by_opencv(content: bytes, flags: int = FLAGS) -> UInt8:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as err:
        raise WireError(f"JPEG of {len(content)} bytes cannot be decoded: {err}") from err
    if pixels is None:
        raise WireError(f"JPEG of {len(content)} bytes cannot be decoded: it is damaged")
    found: UInt8 = np.asarray(pixels)
    return found


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
