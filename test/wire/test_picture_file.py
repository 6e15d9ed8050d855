"""One decoder for messages, datasets and files."""

import io

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.table import open_dataset
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.image import encode_compressed, make_header
from icnet_ros.wire.pictures import picture_file
from icnet_ros.wire.pictures.jpeg import jpeg_is_complete
from icnet_ros.wire.pictures.picture_file import decode_picture, read_picture

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8), (320, 240))


def jpeg(**options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "JPEG", **options)
    return content.getvalue()


def with_thumbnail():
    """A JPEG whose EXIF data holds a JPEG, end marker and all."""
    small = io.BytesIO()
    Image.fromarray(PIXELS).resize((32, 24)).save(small, "JPEG")
    content = jpeg()
    segment = b"Exif\0\0" + small.getvalue()
    return content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:]


@pytest.mark.parametrize("content", [jpeg(), jpeg(progressive=True), with_thumbnail(), jpeg(quality=100)])
def test_whole_files_pass_whatever_follows_them_and_cut_ones_do_not(tmp_path, content):
    assert jpeg_is_complete(content)
    for padding in (0, 1, 4096, 100_000):
        (tmp_path / "x.jpg").write_bytes(content + bytes(padding))
        assert read_picture(tmp_path / "x.jpg").shape == (240, 320, 3)
        message = encode_compressed(make_header(1, ""), np.frombuffer(content + bytes(padding), np.uint8), "jpeg")
        assert decode_compressed(message).pixels.shape == (240, 320, 3)
    for length in (2, 3, 1000, len(content) // 2, len(content) - 2):
        assert not jpeg_is_complete(content[:length])
        (tmp_path / "x.jpg").write_bytes(content[:length])
        with pytest.raises(WireError, match=r"x\.jpg: JPEG of \d+ bytes is truncated"):
            read_picture(tmp_path / "x.jpg")


def test_a_dataset_refuses_a_cut_off_picture(tmp_path):
    for folder, content in (("images", jpeg()[:1000]), ("labels", cv2.imencode(".png", PIXELS[..., 0] % 11)[1])):
        (tmp_path / "val" / folder).mkdir(parents=True)
        name = "a.jpg" if folder == "images" else "a.png"
        (tmp_path / "val" / folder / name).write_bytes(bytes(content))
    with pytest.raises(DatasetError, match=r"a\.jpg: JPEG of 1000 bytes is truncated"):
        open_dataset("camvid", tmp_path, "val")[0]


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, 10**6])
def test_a_png_whose_chunk_is_longer_than_the_file_is_refused_before_it_is_decoded(tmp_path, length, monkeypatch):
    """OpenCV would reserve that much memory first."""
    content = bytearray(cv2.imencode(".png", np.zeros((32, 46, 3), np.uint8))[1].tobytes())
    place = content.index(b"IDAT")
    content[place - 4 : place] = length.to_bytes(4, "big")
    (tmp_path / "x.png").write_bytes(content)
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(WireError, match=f"PNG of .* its chunk b'IDAT' has {length} bytes"):
        decode_picture(bytes(content), "PNG", 32, 46)
    with pytest.raises(WireError, match=r"x\.png: not a readable picture: PNG of"):
        read_picture(tmp_path / "x.png")
    with pytest.raises(WireError, match="it has no end"):
        decode_picture(bytes(content[: place - 4]), "PNG", 32, 46)


@pytest.mark.parametrize("kind", ["AVIF", "WEBP"])
def test_a_format_that_opencv_was_built_without_is_read_by_pillow(tmp_path, monkeypatch, kind):
    """OpenCV of Debian and Ubuntu has no AVIF; the pictures were called damaged."""
    if kind == "AVIF":
        pytest.importorskip("PIL._avif", reason="this Pillow has no AVIF")
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, kind)
    with Image.open(content) as written:
        expected = np.asarray(written.convert("RGB"))[..., ::-1]
    message = encode_compressed(make_header(1, ""), np.frombuffer(content.getvalue(), np.uint8), kind.lower())
    lines = [line for line in cv2.getBuildInformation().splitlines() if f"{kind}:" not in line]
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "\n".join([*lines, f"    {kind}:    NO"]))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    picture_file._opencv_reads.cache_clear()
    assert np.array_equal(decode_compressed(message).bgr(), expected)
    cut = np.frombuffer(content.getvalue()[: len(content.getvalue()) // 2], np.uint8)
    damaged = encode_compressed(make_header(1, ""), cut, kind.lower())
    with pytest.raises(WireError, match="not a JPEG"):
        decode_compressed(damaged)
    if kind == "AVIF":
        (tmp_path / "x.avif").write_bytes(content.getvalue())
        assert np.array_equal(read_picture(tmp_path / "x.avif"), expected)
    monkeypatch.undo()
    picture_file._opencv_reads.cache_clear()
    assert picture_file._opencv_reads(kind) == (
        cv2.imdecode(np.frombuffer(content.getvalue(), np.uint8), 1) is not None
    )


def test_a_pillow_without_avif_opens_the_other_formats(monkeypatch):
    """Pillow before 11.3, as in Ubuntu 24.04, raises KeyError for the name of a format that it does not know."""
    content = cv2.imencode(".bmp", PIXELS)[1].tobytes()
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    monkeypatch.setattr(picture_file, "find_spec", lambda _: None)
    picture_file._formats.cache_clear()
    try:
        assert picture_file.picture_size(content) == ("BMP", *PIXELS.shape[:2])
        with pytest.raises(WireError, match="8 bytes: not a JPEG, PNG"):
            picture_file.picture_size(b"nonsense")
    finally:
        picture_file._formats.cache_clear()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_picture_files_of_all_formats_are_turned(tmp_path, suffix, orientation):
    """OpenCV itself turns all but AVIF."""
    if suffix == "avif":
        pytest.importorskip("PIL._avif", reason="this Pillow has no AVIF")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    corner = np.zeros((24, 32, 3), np.uint8)
    corner[:12, :16] = 255
    Image.fromarray(corner).save(tmp_path / f"x.{suffix}", exif=exif)
    expected = np.rot90(corner, 2 if orientation == 3 else 3)
    assert np.abs(read_picture(tmp_path / f"x.{suffix}").astype(int) - expected).max() < 60
