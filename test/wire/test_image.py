import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icnet_ros.wire import image as wire
from icnet_ros.wire.cdr import (
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    WireError,
    deserialise,
    serialise,
    serialise_with,
    typestore,
)
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import CONVERTED, decode_image, decode_labels

try:
    from cv_bridge import CvBridge
except ImportError:  # no ROS installation, or one without cv_bridge
    CvBridge = None

TYPES = typestore().types
HEADER = wire.make_header(1_700_000_000_123_456_789, "front_camera")
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (46, 32))


def message(data, encoding, width=46, height=32, step=None, big=0):
    raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
    step = len(raw) // max(1, height) if step is None else step
    return serialise(TYPES[IMAGE](HEADER, height, width, encoding, big, step, raw), IMAGE)


def compressed(content, kind="jpeg"):
    return wire.encode_compressed(HEADER, np.frombuffer(bytes(content), np.uint8), kind)


# Encodings that cv_bridge does not know, at least in some distributions.
OWN = (
    *("uyvy", "yuyv", "nv12", "nv21", "nv24", "i420", "yv12"),
    *(one for one in CONVERTED if one.startswith("bayer_") and one[10:] in ("10", "12", "14")),
)
INTERLEAVED = [one for one in CONVERTED if one not in ("nv12", "nv21", "nv24", "i420", "yv12")]


def channel_count(encoding):
    return {"rgb": 3, "bgr": 3, "yuv": 2, "uyv": 2, "yuy": 2}.get(encoding[:3], 1) + ("a1" in encoding)


def as_bgr(picture):
    return picture.pixels if picture.order == "bgr" else picture.pixels[..., ::-1]


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "8UC3"])
def test_three_channel_images_are_views_of_the_message(encoding):
    pixels = BGR[..., ::-1] if encoding == "rgb8" else BGR
    data = message(pixels, encoding)
    picture = decode_image(data)
    assert np.array_equal(as_bgr(picture), BGR)
    assert np.shares_memory(picture.pixels, np.frombuffer(data, np.uint8))
    assert (picture.header.frame_id, wire.stamp_ns(picture.header)) == ("front_camera", 1_700_000_000_123_456_789)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("bgra8", cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA)),
        ("rgba8", cv2.cvtColor(BGR, cv2.COLOR_BGR2RGBA)),
        ("bgr16", BGR.astype(np.uint16) * 257),
        ("rgb16", BGR[..., ::-1].astype(np.uint16) * 257),
    ],
)
def test_other_colour_encodings(encoding, pixels):
    decoded = as_bgr(decode_image(message(pixels, encoding)))
    assert np.abs(decoded.astype(int) - BGR).max() <= 1


def test_grey_encodings():
    grey = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)
    expected = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(decode_image(message(grey, "mono8")).pixels, expected)
    sixteen = decode_image(message(grey.astype(np.uint16) * 257, "mono16")).pixels
    assert np.abs(sixteen.astype(int) - expected).max() <= 1


def test_bayer_and_yuv_show_the_same_picture():
    """A flat colour survives a mosaic and chroma subsampling whole, so channel mix-ups show."""
    b, g, r = 40, 120, 200
    flat = np.full((32, 46, 3), (b, g, r), np.uint8)
    mosaic = np.full((32, 46), g, np.uint8)
    mosaic[::2, ::2], mosaic[1::2, 1::2] = r, b
    assert np.abs(decode_image(message(mosaic, "bayer_rggb8")).pixels.astype(int) - flat).max() <= 2
    sixteen = decode_image(message(mosaic.astype(np.uint16) * 257, "bayer_rggb16")).pixels
    assert np.abs(sixteen.astype(int) - flat).max() <= 2
    for encoding in ("bayer_rggb8; png compressed ", "bayer_rggb16; png compressed "):  # as image_transport writes it
        packed = wire.encode_compressed(wire.make_header(1, "f"), wire.png_file(mosaic), encoding)
        assert np.abs(decode_compressed(packed).pixels.astype(int) - flat).max() <= 2
    coloured = wire.encode_compressed(wire.make_header(1, "f"), wire.png_file(flat), "bayer_rggb8; png compressed bgr8")
    assert np.array_equal(decode_compressed(coloured).pixels, flat)
    y, v, u = cv2.cvtColor(flat, cv2.COLOR_BGR2YCrCb)[0, 0]
    luma = 16 + round((int(y)) * 219 / 255)  # video range
    blue, red = 128 + round((int(u) - 128) * 224 / 255), 128 + round((int(v) - 128) * 224 / 255)
    uyvy = np.empty((32, 46, 2), np.uint8)
    uyvy[:, ::2, 0], uyvy[:, 1::2, 0], uyvy[..., 1] = blue, red, luma
    for encoding, pixels in (("yuv422", uyvy), ("yuv422_yuy2", uyvy[..., ::-1])):
        decoded = decode_image(message(pixels, encoding)).pixels
        assert np.abs(decoded.astype(int) - flat).max() <= 12, encoding


@pytest.mark.parametrize("encoding", INTERLEAVED)
def test_padded_rows_and_byte_order_change_nothing(encoding):
    wide = encoding.endswith(("10", "12", "14", "16"))
    channels = channel_count(encoding)
    values = np.random.default_rng(1).integers(0, 65536 if wide else 256, (32, 46 * channels), np.uint16)
    rows = values if wide else values.astype(np.uint8)
    plain = decode_image(message(rows, encoding)).pixels
    assert plain.shape == (32, 46, 3)
    padded = np.pad(rows, ((0, 0), (0, 6)))
    assert np.array_equal(decode_image(message(padded, encoding)).pixels, plain)
    if wide:
        assert np.array_equal(decode_image(message(padded.byteswap(), encoding, big=1)).pixels, plain)


@pytest.mark.parametrize("encoding", ["bgr8", "rgba8", "mono8"])
def test_padded_rows_of_the_fast_encodings(encoding):
    channels = {"bgr8": 3, "rgba8": 4, "mono8": 1}[encoding]
    rows = np.random.default_rng(1).integers(0, 256, (32, 46 * channels), np.uint8)
    plain = decode_image(message(rows, encoding)).pixels
    assert np.array_equal(decode_image(message(np.pad(rows, ((0, 0), (0, 9))), encoding)).pixels, plain)


def test_the_last_row_needs_no_padding():
    padded = np.pad(BGR.reshape(32, -1), ((0, 0), (0, 6)))
    data = message(padded.reshape(-1)[:-6], "bgr8", step=padded.shape[1])
    assert np.array_equal(decode_image(data).pixels, BGR)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (message(BGR, "bgr8", step=100), "step 100 is less than a row"),
        (message(BGR[:-1], "bgr8", step=138), "4278 bytes of data.*4416 are needed"),
        (message(b"", "bgr8", width=0), "no pixels"),
        (message(b"", "bgr8", height=0), "no pixels"),
        (message(b"", "bgr8", width=60_000, height=60_000), "over the limit"),
        (message(BGR, "hologram9"), "'hologram9' is not one of bgr8"),
        (message(BGR, "32FC1"), "'32FC1' is not one of"),
        (b"", "0 bytes are not a"),
        (b"\0\1\0\0" + b"\xff" * 40, "are not a"),
    ],
)
def test_an_unusable_image_is_explained(data, problem):
    with pytest.raises(WireError, match=problem):
        decode_image(data)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_compressed_images(extension):
    content = cv2.imencode(extension, BGR)[1].tobytes()
    picture = decode_compressed(compressed(content))
    assert picture.order == "bgr"
    assert np.array_equal(picture.pixels, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))
    assert picture.header.frame_id == "front_camera"


def test_grey_and_16_bit_pngs_become_three_channels():
    for pixels in (BGR[..., 0], BGR.astype(np.uint16) * 257, cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA)):
        decoded = decode_compressed(compressed(cv2.imencode(".png", pixels)[1].tobytes())).pixels
        assert (decoded.shape, decoded.dtype) == (BGR.shape, np.uint8)
        if pixels.ndim == 3:
            assert np.abs(decoded.astype(int) - BGR).max() <= 1


def test_an_image_keeps_its_pixel_grid_whatever_exif_says():
    content = cv2.imencode(".jpg", BGR)[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # rotate by 90 degrees
    turned = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    assert decode_compressed(compressed(turned)).pixels.shape == BGR.shape


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_every_truncated_file_is_refused(share):
    for extension in (".jpg", ".png"):
        content = cv2.imencode(extension, BGR)[1].tobytes()
        with pytest.raises(WireError):
            decode_compressed(compressed(content[: int(len(content) * share)]))


def test_a_png_bomb_is_refused_before_it_is_unpacked():
    content = bytearray(cv2.imencode(".png", BGR)[1].tobytes())
    content[16:24] = struct.pack(">II", 50_000, 50_000)
    with pytest.raises(WireError, match=r"50000x50000, over the limit|not a JPEG, PNG"):
        decode_compressed(compressed(content))
    with pytest.raises(WireError, match="46x32, over the limit of 1024 pixels"):
        decode_compressed(compressed(cv2.imencode(".png", BGR)[1].tobytes()), max_pixels=1024)


@pytest.mark.parametrize("content", [b"", b"GIF89a....", b"\0" * 200, b"\xff\xd8\xff\xd9"])
def test_what_is_no_jpeg_or_png_is_explained(content):
    with pytest.raises(WireError, match=r"format 'jpeg', \d+ bytes"):
        decode_compressed(compressed(content))


def test_labels_round_trip():
    labels = np.random.default_rng(0).integers(0, 11, (33, 47), np.uint8)
    data = wire.encode_image(HEADER, labels, "mono8")
    header, back = decode_labels(data)
    assert np.array_equal(back, labels)
    assert header == HEADER
    raw = deserialise(data, IMAGE)
    assert (raw.step, raw.width, raw.height, raw.is_bigendian, raw.encoding) == (47, 47, 33, 0, "mono8")
    with pytest.raises(WireError, match="mono8"):
        decode_labels(message(BGR, "bgr8"))


def test_encode_jpeg_is_read_back():
    picture = decode_compressed(wire.encode_jpeg(HEADER, BGR, 95))
    assert np.abs(picture.pixels.astype(int) - BGR).mean() < 4
    assert deserialise(wire.encode_jpeg(HEADER, BGR), COMPRESSED_IMAGE).format == "bgr8; jpeg compressed bgr8"


@pytest.mark.skipif(CvBridge is None, reason="no cv_bridge in this environment")
@pytest.mark.parametrize("encoding", [one for one in CONVERTED if one not in OWN])
def test_cv_bridge_agrees(encoding):
    wide = encoding.endswith("16")
    channels = channel_count(encoding)
    rows = np.random.default_rng(1).integers(0, 65536 if wide else 256, (32, 46 * channels), np.uint16)
    data = message(rows if wide else rows.astype(np.uint8), encoding)
    other = CvBridge().imgmsg_to_cv2(deserialise(data, IMAGE), "bgr8")
    assert np.abs(decode_image(data).pixels.astype(int) - other).max() <= 1


@pytest.mark.ros
def test_bytes_are_those_of_rclpy():
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import CompressedImage, Image

    data = wire.encode_image(HEADER, BGR, "bgr8")
    typed = deserialize_message(data, Image)
    assert typed.header.stamp.nanosec == 123_456_789
    assert bytes(typed.data) == BGR.tobytes()
    theirs = serialize_message(typed)
    # The bytes between fields are undefined in rclpy's and zero in ours; everything else is equal.
    assert len(theirs) == len(data)
    assert serialise(deserialise(theirs, IMAGE), IMAGE) == data
    jpeg = wire.encode_jpeg(HEADER, BGR)
    theirs = serialize_message(deserialize_message(jpeg, CompressedImage))
    assert serialise(deserialise(theirs, COMPRESSED_IMAGE), COMPRESSED_IMAGE) == jpeg


@given(st.text(max_size=9), st.integers(0, 3), st.binary(max_size=40), st.booleans())
def test_data_that_is_joined_gives_the_bytes_of_rosbags(frame, fields, data, dense):
    """Data at the end, and data with a byte behind it; the names of fields move its place."""
    header, content = wire.make_header(5, frame), np.frombuffer(data, np.uint8)
    field = TYPES["sensor_msgs/msg/PointField"]
    cloud = {
        "header": header,
        "height": 1,
        "width": 2,
        "fields": [field(name=frame, offset=0, datatype=7, count=1)] * fields,
        "is_bigendian": False,
        "point_step": 3,
        "row_step": 4,
        "is_dense": dense,
    }
    nothing = np.empty(0, np.uint8)
    whole = serialise(TYPES[POINT_CLOUD](**cloud, data=content), POINT_CLOUD)
    assert serialise_with(TYPES[POINT_CLOUD](**cloud, data=nothing), POINT_CLOUD, content, behind=1) == whole
    jpeg = {"header": header, "format": frame}
    whole = serialise(TYPES[COMPRESSED_IMAGE](**jpeg, data=content), COMPRESSED_IMAGE)
    assert serialise_with(TYPES[COMPRESSED_IMAGE](**jpeg, data=nothing), COMPRESSED_IMAGE, content) == whole
