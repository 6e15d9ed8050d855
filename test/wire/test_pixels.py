"""Every cell of the table "What is read" against formulas written out here."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from recordings import zstd_transport

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError, message_type, serialise
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_compressed, make_header
from icnet_ros.wire.pictures.picture_file import FORMATS
from icnet_ros.wire.what_is_read import rows, to_markdown

HEIGHT, WIDTH = 24, 32
HEADER = make_header(5, "cam")
DICE = np.random.default_rng(3)
SMOOTH = cv2.resize(DICE.integers(0, 256, (4, 5, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)  # BGR


def message(encoding, data, step, *, big=0, height=HEIGHT):
    make = message_type(IMAGE)
    flat = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
    return serialise(make(HEADER, height, WIDTH, encoding, big, step, flat), IMAGE)


def grey_of(bgr):
    return np.rint(bgr @ np.array([0.114, 0.587, 0.299])).astype(np.uint8)


def yuv_of(bgr):
    """BT.601 of video range, not rounded."""
    b, g, r = np.moveaxis(bgr / 255, 2, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return 16 + 219 * y, 128 + 224 * (b - y) / 1.772, 128 + 224 * (r - y) / 1.402


def bgr_of(y, u, v):
    """The way back, of stored bytes."""
    y, u, v = (y - 16.0) / 219, (u - 128.0) / 224, (v - 128.0) / 224
    r, b = y + 1.402 * v, y + 1.772 * u
    return as_bytes(255 * np.dstack([b, (y - 0.299 * r - 0.114 * b) / 0.587, r]))


def halved(plane, rows_too=True):
    plane = (plane[:, ::2] + plane[:, 1::2]) / 2
    return (plane[::2] + plane[1::2]) / 2 if rows_too else plane


def as_bytes(plane):
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def raw(encoding):
    """(data (rows, bytes of a row), expected BGR, tolerance) of an encoding, from SMOOTH."""
    wide = SMOOTH.astype(np.uint16) * 257
    y, u, v = yuv_of(SMOOTH)
    if encoding in ("mono8", "8UC1", "mono16"):
        grey = grey_of(SMOOTH)
        stored = grey.astype(np.uint16) * 257 if encoding == "mono16" else grey
        return stored, np.repeat(grey[..., None], 3, 2), 0
    if encoding.startswith(("bgr", "rgb", "8UC3")):
        pixels = wide if encoding.endswith("16") else SMOOTH
        stored = pixels[..., ::-1] if encoding.startswith("rgb") else pixels
        if "a" in encoding:
            stored = np.dstack([stored, np.full((HEIGHT, WIDTH), 9, stored.dtype)])
        return stored.reshape(HEIGHT, -1), SMOOTH, 0
    if encoding.startswith("bayer_"):
        flat = np.full((HEIGHT, WIDTH, 3), (40, 120, 200), np.uint8)  # a flat colour survives interpolation
        pattern, bits = encoding[6:10], int(encoding[10:])
        mosaic = np.empty((HEIGHT, WIDTH), np.float64)
        for place, letter in enumerate(pattern):
            mosaic[place // 2 :: 2, place % 2 :: 2] = flat[0, 0, "bgr".index(letter)]
        stored = mosaic.astype(np.uint8) if bits == 8 else np.rint(mosaic / 255 * (2**bits - 1)).astype(np.uint16)
        return stored, flat, 1
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        u, v = as_bytes(halved(u, rows_too=False)), as_bytes(halved(v, rows_too=False))
        luma, chroma = as_bytes(y), np.dstack([u, v]).reshape(HEIGHT, WIDTH)
        planes = (luma, chroma) if "yuy" in encoding else (chroma, luma)
        return np.dstack(planes).reshape(HEIGHT, -1), bgr_of(luma, u.repeat(2, 1), v.repeat(2, 1)), 1
    if encoding == "nv24":
        y, u, v = as_bytes(y), as_bytes(u), as_bytes(v)
        return np.concatenate([y, np.dstack([u, v]).reshape(-1, WIDTH)]), bgr_of(y, u, v), 1
    y, u, v = as_bytes(y), as_bytes(halved(u)), as_bytes(halved(v))
    expected = bgr_of(y, u.repeat(2, 0).repeat(2, 1), v.repeat(2, 0).repeat(2, 1))
    small = [v, u] if encoding in ("nv21", "yv12") else [u, v]
    if encoding in ("i420", "yv12"):
        chroma = np.concatenate([one.reshape(-1, WIDTH) for one in small])
    else:
        chroma = np.dstack(small).reshape(HEIGHT // 2, WIDTH)
    return np.concatenate([y, chroma]), expected, 1


RAW = [encoding for row in rows() if row.kind == IMAGE for encoding in row.formats]
PLANAR = ("nv12", "nv21", "nv24", "i420", "yv12")


def as_bgr(picture):
    return picture.bgr().astype(int)


@pytest.mark.parametrize("encoding", RAW)
def test_each_raw_encoding(encoding):
    data, expected, tolerance = raw(encoding)
    step = data.nbytes // len(data)
    found = as_bgr(decode_image(message(encoding, data, step)))
    assert np.abs(found - expected).max() <= tolerance
    assert np.abs(found - expected).mean() <= tolerance / 2
    if data.dtype == np.uint16:
        assert np.array_equal(as_bgr(decode_image(message(encoding, data.byteswap(), step, big=1))), found)
    padded = np.pad(data, ((0, 0), (0, 8)), constant_values=77)
    if encoding not in ("nv24", "i420", "yv12"):  # whose planes of chroma have other rows
        assert np.array_equal(as_bgr(decode_image(message(encoding, padded, padded.nbytes // len(data)))), found)
    if encoding in PLANAR:
        assert np.array_equal(as_bgr(decode_image(message(encoding, data, step, height=len(data)))), found)
        with pytest.raises(WireError, match=rf"{encoding} of step .* are needed"):
            decode_image(message(encoding, data.reshape(-1)[: HEIGHT * WIDTH + 40], step))


@pytest.mark.parametrize("encoding", ["nv12", "i420", "nv24", "yuyv"])
def test_sizes_that_are_odd(encoding):
    make = message_type(IMAGE)
    for height, width in ((5, 7), (1, 1), (3, 2), (2, 3)):
        half = ((height + 1) // 2) * ((width + 1) // 2)
        size = {
            "nv12": 3 * height * width,
            "i420": height * width + 2 * half + width,
            "nv24": 3 * height * width,
            "yuyv": 2 * height * width,
        }[encoding]
        step = 2 * width if encoding == "yuyv" else width + width % 2 if encoding == "nv12" else width
        data = np.full(max(size, step * height * 3), 128, np.uint8)
        decoded = decode_image(serialise(make(HEADER, height, width, encoding, 0, step, data), IMAGE))
        assert decoded.pixels.shape == (height, width, 3)
        assert np.abs(decoded.pixels.astype(int) - 130).max() <= 1


def file_of(name, pixels):
    content = io.BytesIO()
    PillowImage.fromarray(pixels).save(content, name, **({"lossless": True} if name == "WEBP" else {}))
    return np.frombuffer(content.getvalue(), np.uint8)


@pytest.mark.parametrize("name", FORMATS)
def test_each_kind_of_file(name):
    """Against Pillow, which also writes them."""
    if name == "AVIF":
        pytest.importorskip("PIL._avif", reason="this Pillow has no AVIF")
    content = file_of(name, SMOOTH[..., ::-1])
    expected = np.asarray(PillowImage.open(io.BytesIO(content.tobytes())).convert("RGB"))[..., ::-1].astype(int)
    picture = decode_compressed(encode_compressed(HEADER, content, name.lower()))
    assert np.abs(as_bgr(picture) - expected).max() <= (3 if name == "AVIF" else 1)
    grey = decode_compressed(encode_compressed(HEADER, file_of(name, grey_of(SMOOTH)), name.lower()))
    assert (as_bgr(grey).max(2) - as_bgr(grey).min(2)).max() <= (2 if name == "AVIF" else 0)
    for share_of in (0.2, 0.9):
        with pytest.raises(WireError):
            decode_compressed(encode_compressed(HEADER, content[: int(len(content) * share_of)], name.lower()))


def test_16_bits_become_8_as_in_raw_images():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(values / 257).astype(int)
    raw_image = message_type(IMAGE)(HEADER, 256, 256, "mono16", 0, 512, values.view(np.uint8).reshape(-1))
    assert np.array_equal(as_bgr(decode_image(serialise(raw_image, IMAGE)))[..., 0], expected)
    for extension in (".png", ".tiff"):
        content = cv2.imencode(extension, values)[1].reshape(-1)
        assert np.array_equal(
            as_bgr(decode_compressed(encode_compressed(HEADER, content, "mono16; png compressed ")))[..., 0], expected
        )


MOSAIC = raw("bayer_rggb8")[0]
FLAT = raw("bayer_rggb8")[1]


@pytest.mark.parametrize(
    ("described", "pixels", "extension", "mosaic"),
    [
        ("bayer_rggb8; jpeg compressed mono8", MOSAIC, ".jpg", False),  # grey already
        ("bayer_rggb8; jpeg compressed bgr8", MOSAIC, ".jpg", False),
        ("bayer_rggb8; jpeg compressed bayer_rggb8", MOSAIC, ".jpg", True),  # jpeg_compress_bayer
        ("bayer_rggb8; png compressed ", MOSAIC, ".png", True),
        ("bayer_rggb16; png compressed ", MOSAIC.astype(np.uint16) * 257, ".png", True),
        ("bayer_rggb8; tiff compressed ", MOSAIC, ".tiff", True),
        ("bayer_rggb8; png compressed bgr8", np.repeat(MOSAIC[..., None], 3, 2), ".png", False),  # a grey scene
        ("bayer_rggb8; png compressed mono8", MOSAIC, ".png", False),
        ("mono8; png compressed ", MOSAIC, ".png", False),
        ("jpeg", MOSAIC, ".jpg", False),
    ],
)
def test_what_the_file_of_a_bayer_topic_holds(described, pixels, extension, mosaic):
    content = cv2.imencode(extension, pixels, (cv2.IMWRITE_JPEG_QUALITY, 100))[1].reshape(-1)
    found = as_bgr(decode_compressed(encode_compressed(HEADER, content, described)))
    stored = cv2.imdecode(content, cv2.IMREAD_COLOR).astype(int)
    if mosaic:
        assert np.abs(found - FLAT).max() <= 4
    else:
        assert np.array_equal(found, stored)


@pytest.mark.parametrize("described", ["zstd", ""])
@pytest.mark.parametrize("encoding", ["bgr8", "mono8", "bayer_rggb8", "mono16", "nv12"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_the_transport_zstd(encoding, described, gzipped):
    data, _, _ = raw(encoding)
    step = data.nbytes // len(data)
    content = zstd_transport(data, encoding, HEIGHT, WIDTH, step, gzipped=gzipped)
    found = decode_compressed(encode_compressed(HEADER, np.frombuffer(content, np.uint8), described))
    assert np.array_equal(as_bgr(found), as_bgr(decode_image(message(encoding, data, step))))
    for cut in (3, 20, len(content) // 2, len(content) - 1):
        with pytest.raises(WireError):
            decode_compressed(encode_compressed(HEADER, np.frombuffer(content[:cut], np.uint8), "zstd"))


def test_a_bomb_in_the_transport_zstd_is_refused():
    content = zstd_transport(np.zeros(10**7, np.uint8), "bgr8", 10, 10, 30)
    with pytest.raises(WireError, match="unpack to too much"):
        decode_compressed(encode_compressed(HEADER, np.frombuffer(content, np.uint8), "zstd"))
    for height, step in ((2**31, 3), (10, 2**31)):
        content = zstd_transport(np.zeros(10, np.uint8), "bgr8", height, 1, step)
        with pytest.raises(WireError, match=r"over the limit|declares"):
            decode_compressed(encode_compressed(HEADER, np.frombuffer(content, np.uint8), "zstd"))


def test_the_page_has_the_table():
    assert to_markdown() in (Path(__file__).parents[2] / "docs" / "what_is_read.md").read_text()


def test_every_cell_has_a_test():
    tested = {IMAGE: {*RAW}, COMPRESSED_IMAGE: {*FORMATS, "zstd", "h264", "h265", "vp9", "av1"}}
    for row in rows():
        if row.kind in tested:
            assert set(row.formats) <= tested[row.kind]
            tested[row.kind] -= set(row.formats)
    assert not any(tested.values())
