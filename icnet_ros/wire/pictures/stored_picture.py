"""Pictures that are data, such as labels and masks: values as they are stored, not scaled, not of a lossy format."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from icnet_ros.files import read_bytes
from icnet_ros.wire.cdr import WireError

LOSSLESS = ("PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP")
LOSSLESS_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "zstd", "lzma")
CHANNELS = ("RGB", "RGBA", "RGBX")


class StoredPicture(NamedTuple):
    """Values of a picture file.

    values: (H, W) of bool, uint8, uint16 or int32, or RGB(A) uint8 (H, W, 3 or 4). palette: RGB uint8 (n, 3) if the
    values are indices of one.
    """

    values: npt.NDArray[Any]
    palette: npt.NDArray[np.uint8] | None = None


def read_stored(path: Path, *, few_bits: bool = False) -> StoredPicture:
    """`stored` of a file. Raises WireError, the reason without the file's name."""
    try:
        content = read_bytes(path)
    except OSError as err:
        raise WireError(err.strerror or str(err)) from err
    return stored(content, few_bits=few_bits)


def label_image(content: bytes) -> StoredPicture:
    """A picture of class ids uint8 (H, W): grey, indices of a palette, or the id in each channel. Raises WireError."""
    picture = stored(content)
    return picture._replace(values=ids_of(picture))


def ids_of(picture: StoredPicture) -> npt.NDArray[np.uint8]:
    """Class ids (H, W) of a picture, see `label_image`."""
    ids = picture.values
    if ids.ndim == 3:
        if any((ids[..., channel] != ids[..., 0]).any() for channel in (1, 2)):
            raise WireError("it holds colours, not class ids")
        ids = ids[..., 0]
    if ids.dtype.kind not in "ui" or ids.min(initial=0) < 0 or ids.max(initial=0) > 255:
        raise WireError(f"not a label image: its values are {ids.dtype} up to {ids.max(initial=0)}, ids are 0 to 255")
    return ids.astype(np.uint8)


def stored_channels(content: bytes) -> int:
    """Channels of a picture that `stored` reads, if they have 8 bits, by its header; a palette is one. 0 for others."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            _check_lossless(picture, content)
            return {"L": 1, "P": 1, "LA": 1, "RGB": 3, "RGBA": 4, "RGBX": 4}.get(picture.mode, 0)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0


def stored(content: bytes, *, few_bits: bool = False) -> StoredPicture:
    """The values of a picture of a lossless format.

    few_bits: also of grey pictures of 1, 2 or 4 bits, which most programs scale. Raises WireError.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            _check_lossless(picture, content)
            _check_single(picture)
            bits = _png_bits(content)
            palette = None
            if picture.mode == "P":
                palette = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            elif picture.mode == "LA":
                values = np.asarray(picture)[..., 0]  # alpha says nothing about a label
            elif picture.mode not in ("1", "L", "I", "I;16", "I;16B", *CHANNELS):
                raise WireError(f"pixels of the kind {picture.mode} are no labels")
            if picture.mode != "LA":
                values = np.asarray(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise WireError(str(err).split(": <_io")[0]) from err
    if palette is None and bits < 8:
        if not few_bits:
            raise WireError(f"a grey PNG of {bits} bits, label images have 8: store it as uint8")
        if values.dtype == np.uint8:
            values = values // (255 // (2**bits - 1))  # Pillow scales them to 0..255
    return StoredPicture(values, palette)


def _png_bits(content: bytes) -> int:
    # The header is the first chunk: bit depth at byte 24, colour type at byte 25, 0 is grey and 3 a palette.
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or len(content) < 26:
        return 8
    depth, kind = content[24], content[25]
    if depth == 16 and kind != 0:
        raise WireError("colours of 16 bits are no labels: store class ids or 8-bit colours")
    return depth


def _check_single(picture: Image.Image) -> None:
    """Raise WireError for several pages, as of one class each; overviews, as in GeoTIFF, are smaller copies."""
    pages = 1
    for page in range(1, getattr(picture, "n_frames", 1)):
        picture.seek(page)
        pages += not getattr(picture, "tag_v2", {}).get(254, 0) & 1  # NewSubfileType: of reduced resolution
    picture.seek(0)
    if pages > 1:
        raise WireError(f"it holds {pages} pictures, of which one would be used: store each pixel's class id in one")


def _check_lossless(picture: Image.Image, content: bytes) -> None:
    """Raise WireError unless every pixel is what was stored."""
    kind = str(picture.format)
    lossy = kind not in LOSSLESS
    lossy |= kind == "TIFF" and picture.info.get("compression", "raw") not in LOSSLESS_TIFF
    lossy |= kind == "WEBP" and b"VP8L" not in content[:64]
    if lossy:
        raise WireError(
            f"the file is a {kind}, whatever its name says: lossy compression changes class ids. Export it as PNG"
        )
