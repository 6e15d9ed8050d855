"""Decoder of image files for messages, datasets and files; rejects truncated ones."""

import errno
import io
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as PillowImage

from icnet_ros.files import read_bytes, writing
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.jpeg import DamagedImageError, decode_jpeg
from icnet_ros.wire.pictures.png import MAGIC, check_png

UInt8 = npt.NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP")  # by their names in Pillow
NAMES = "JPEG, PNG, TIFF, WebP, AVIF or BMP"
LOSSLESS = ("PNG", "TIFF", "BMP")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp", ".avif")


@cache
def _formats() -> tuple[str, ...]:
    """FORMATS that Pillow knows: a name that it does not, as AVIF before 11.3, is a KeyError when a file is opened."""
    return FORMATS if find_spec("PIL.AvifImagePlugin") else tuple(kind for kind in FORMATS if kind != "AVIF")


def picture_size(content: bytes) -> tuple[str, int, int]:
    """(one of FORMATS, height, width) of a file, from its header alone. Raises WireError for other files."""
    try:
        with PillowImage.open(io.BytesIO(content), formats=_formats()) as probe:
            width, height = probe.size
            return str(probe.format), height, width
    except PillowImage.DecompressionBombError as err:
        raise WireError(f"compressed image of {len(content)} bytes is refused: {err}") from err
    except UnidentifiedImageError as err:  # its text holds an address in memory
        raise WireError(f"{len(content)} bytes: not a {NAMES}, they begin with {content[:12].hex(' ')}") from err
    except (OSError, ValueError, SyntaxError) as err:
        raise WireError(f"{len(content)} bytes: not a {NAMES} ({err})") from err


def is_turned(content: bytes) -> bool:
    """Whether the EXIF data of a picture file asks viewers to turn or mirror it; not of one that Pillow cannot open."""
    try:
        with PillowImage.open(io.BytesIO(content), formats=(*_formats(), "PPM")) as picture:
            return bool(picture.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except (OSError, SyntaxError, ValueError):
        return False


def decode_picture(content: bytes, kind: str, height: int, width: int) -> UInt8:
    """BGR uint8 (height, width, 3) of a file of that kind and size. Raises WireError if it is damaged.

    A JPEG of which only a part can be decoded raises DamagedImageError, which has the pixels.
    The orientation in EXIF data is ignored, as in camera messages.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_ANYDEPTH
    return _as_8_bits(_decode(content, kind, height, width, flags), kind)


def decode_mosaic(content: bytes, kind: str, height: int, width: int) -> npt.NDArray[Any] | None:
    """Pixels uint8 or uint16 (height, width) of a file of one channel, None if it has more.

    Raises WireError, DamagedImageError.
    """
    if kind == "JPEG":
        bgr = _decode(content, kind, height, width, 0)
        return np.ascontiguousarray(bgr[..., 0]) if (bgr == bgr[..., :1]).all() else None
    pixels = _decode(content, kind, height, width, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels if pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16) else None


def _decode(content: bytes, kind: str, height: int, width: int, flags: int) -> npt.NDArray[Any]:
    """flags: of OpenCV; a JPEG is decoded to BGR whatever they are."""
    if kind == "PNG":
        check_png(content)
    try:
        pixels = decode_jpeg(content) if kind == "JPEG" else cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if pixels is None and not _opencv_reads(kind):
            pixels = _decode_by_pillow(content, flags)
    except cv2.error as err:
        raise WireError(f"{kind} of {len(content)} bytes cannot be decoded: {err}") from err
    if pixels is None or pixels.shape[:2] != (height, width):
        raise WireError(f"{kind} of {len(content)} bytes, {width}x{height}, cannot be decoded: it is damaged")
    return np.asarray(pixels)


@cache
def _opencv_reads(kind: str) -> bool:
    """Whether OpenCV was built with this format: Debian's and Ubuntu's lack AVIF."""
    return kind not in ("AVIF", "WEBP") or bool(re.search(rf"\b{kind}:(?! *NO)", cv2.getBuildInformation()))


def _decode_by_pillow(content: bytes, flags: int, *, upright: bool = False) -> npt.NDArray[Any]:
    """upright: as the orientation in its EXIF data says."""
    try:
        with PillowImage.open(io.BytesIO(content), formats=_formats()) as picture:
            if upright:
                return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[..., ::-1])
            if flags == cv2.IMREAD_UNCHANGED and picture.mode == "L":
                return np.asarray(picture)
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])
    except (PillowImage.DecompressionBombError, OSError, ValueError, SyntaxError) as err:
        raise WireError(f"a picture of {len(content)} bytes cannot be decoded: {err}") from err


def _as_8_bits(pixels: npt.NDArray[Any], kind: str) -> UInt8:
    """16 bits become 8 as in raw images: the largest value is 255."""
    if pixels.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=255 / 65535), np.uint8)
    if pixels.dtype != np.uint8:
        raise WireError(f"{kind} of {pixels.dtype} values: pictures have 8 or 16 bits")
    return pixels


def read_picture(path: Path) -> UInt8:
    """BGR uint8 (H, W, 3) of a picture file of any format that OpenCV reads, turned as its EXIF data says.

    Raises WireError that names it.
    """
    try:
        content = read_bytes(path)
    except OSError as err:
        raise WireError(f"{path}: cannot be read: {err.strerror or err}") from err
    if content.startswith(MAGIC):
        try:
            check_png(content)
        except WireError as err:
            raise WireError(f"{path}: not a readable picture: {err}") from err
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    try:
        upright = decode_jpeg(content) if content[:2] == b"\xff\xd8" else None
        if upright is not None and not is_turned(content):
            return upright
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
        avif = content[4:11] == b"ftypavi" and "AVIF" in _formats()
        if avif and (is_turned(content) if pixels is not None else not _opencv_reads("AVIF")):
            pixels = _decode_by_pillow(content, flags, upright=True)  # OpenCV turns all formats but this one
    except DamagedImageError as err:
        raise err.in_file(path) from err
    except (WireError, cv2.error, OSError) as err:
        raise WireError(f"{path}: {err}") from err
    if pixels is None:
        raise WireError(f"{path}: not a readable picture")
    try:
        return _as_8_bits(np.asarray(pixels), "picture")
    except WireError as err:
        raise WireError(f"{path}: {err}") from err


def write_picture(path: Path, pixels: UInt8) -> None:
    """Write pixels as a file of the kind that its suffix names. Raises OSError, which names the file."""
    try:
        done, content = cv2.imencode(path.suffix, pixels)
    except cv2.error as err:
        raise OSError(errno.EINVAL, f"cannot be written as a picture ({err.err})", str(path)) from err
    if not done:
        raise OSError(errno.EINVAL, "cannot be written as a picture", str(path))
    with writing(path, "--out"):
        path.write_bytes(content.data)
