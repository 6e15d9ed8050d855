"""JPEGs with missing or damaged data: libjpeg would fill them with grey."""

import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from icnet_ros.wire import image as wire
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.base import decode_damaged
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.pictures.jpeg import DamagedImageError, decode_jpeg
from icnet_ros.wire.pictures.picture_file import read_picture

HEADER = wire.make_header(1_000_000_007, "front")
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8), (320, 240))
FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
KINDS = {
    "baseline": (),
    "restart markers": (cv2.IMWRITE_JPEG_RST_INTERVAL, 8),
    "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "colour at full resolution": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
}


def jpeg(*options, pixels=BGR):
    return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 90, *options))[1].tobytes()


def without_second_half(content):
    return content[: len(content) // 2] + b"\xff\xd9"


def with_200_other_bytes(content):
    noise = np.random.default_rng(1).integers(0, 255, 200, np.uint8).tobytes()
    middle = len(content) // 2
    return content[:middle] + noise + content[middle + 200 :]


def with_a_larger_header(content):
    place = next(content.index(bytes((0xFF, marker))) for marker in (0xC0, 0xC2) if bytes((0xFF, marker)) in content)
    return content[: place + 5] + (480).to_bytes(2, "big") + content[place + 7 :]


DAMAGE = (without_second_half, with_200_other_bytes, with_a_larger_header, lambda content: content[:-2])


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_pixels_are_those_of_opencv(options):
    for pixels in (BGR, BGR[..., 0]):
        content = jpeg(*options, pixels=pixels)
        assert np.array_equal(decode_jpeg(content), cv2.imdecode(np.frombuffer(content, np.uint8), FLAGS))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_damaged_jpeg_is_no_picture(options, damage, tmp_path):
    content = damage(jpeg(*options))
    with pytest.raises(DamagedImageError, match=f"JPEG of {len(content)} bytes is (damaged|truncated)"):
        decode_jpeg(content)
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DamagedImageError, match=r"x\.jpg: JPEG"):
        read_picture(tmp_path / "x.jpg")
    message = wire.encode_compressed(HEADER, np.frombuffer(content, np.uint8), "bgr8; jpeg compressed bgr8")
    with pytest.raises(DamagedImageError) as caught:
        decode_compressed(message)
    picture = decode_damaged(caught.value)  # for those who want what is left
    assert picture.header == HEADER
    ended = np.frombuffer(content + b"\xff\xd9", np.uint8)  # OpenCV needs an end marker
    assert np.array_equal(picture.pixels, cv2.imdecode(ended, FLAGS))
    assert np.array_equal(picture.pixels[:64], decode_jpeg(jpeg(*options))[:64]) or options == KINDS["progressive"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # of a worker process


def test_what_follows_the_end_marker_is_ignored():
    whole = jpeg()
    for more in (bytes(100), b"\xff" * 7, whole):  # drivers pad their buffers
        assert np.array_equal(decode_jpeg(whole + more), decode_jpeg(whole))


def test_jpegs_that_only_opencv_decodes(tmp_path):
    Image.fromarray(BGR).convert("CMYK").save(tmp_path / "x.jpg", quality=95)
    assert decode_jpeg((tmp_path / "x.jpg").read_bytes()).shape == BGR.shape


def test_the_orientation_of_files_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(BGR[..., ::-1]).save(tmp_path / "x.jpg", exif=exif)
    assert read_picture(tmp_path / "x.jpg").shape == (320, 240, 3)
    assert decode_jpeg((tmp_path / "x.jpg").read_bytes()).shape == (240, 320, 3)


def test_thousands_of_scans_are_refused_before_they_are_decoded():
    content = jpeg(*KINDS["progressive"])
    scan = content.rindex(b"\xff\xda")
    with pytest.raises(WireError, match="scans, at most 100"):
        decode_jpeg(content[:-2] + content[scan:-2] * 1000 + b"\xff\xd9")
