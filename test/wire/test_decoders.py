"""The table of decoders, and decoders with a state: key frames, pictures that come late, messages that are missing."""

from contextlib import closing

import cv2
import numpy as np
import pytest
from video import LateDecoder, SumDecoder, packets

from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError
from icnet_ros.wire.decoders.table import DECODERS, base_of, open_decoder, topic_of, transport_of, transports
from icnet_ros.wire.image import (
    encode_compressed,
    encode_image,
    encode_jpeg,
    encode_png,
    make_header,
    stamp_ns,
)
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.reading import MAX_LATE, first_picture, read_images

TOPIC = "/cam/compressed"
DEPTH = "16UC1; compressedDepth png"
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (46, 32))


def write_video(path, *parts):
    with closing(BagWriter(path, [(TOPIC, COMPRESSED_IMAGE)])) as writer:
        for number, data in packets(*parts):
            writer.write(TOPIC, data, 1000 + number)
    return path


def values(path, wanted):
    """{number: grey value, or the error} of the wanted messages."""
    with open_bag(path) as bag:
        topic = bag.image_topic()
        found = {}
        for image in read_images(bag, topic, index_topics(bag, [topic.name])[topic.name], wanted):
            try:
                picture = image.picture()
                assert stamp_ns(picture.header) == 1 + image.number
                found[image.number] = int(picture.pixels[0, 0, 0])
            except WireError as err:
                found[image.number] = str(err)
    return found


VIDEO = (5, ("key", 10), 1, 2, ("key", 100), 3, ("corrupt", 0), 4)


@pytest.mark.parametrize("decoder", [SumDecoder, LateDecoder])
@pytest.mark.parametrize("wanted", [range(8), [3], [2, 5], [7], []])
def test_pictures_of_a_video_do_not_depend_on_which_are_wanted(tmp_path, monkeypatch, decoder, wanted):
    """Reading starts at a key frame, and late pictures belong to their own message."""
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), decoder)
    expected = {0: "no key frame yet", 1: 10, 2: 11, 3: 13, 4: 100, 5: 103, 6: "corrupt packet", 7: 107}
    found = values(write_video(tmp_path / "bag", *VIDEO), wanted)
    assert list(found) == sorted(wanted)
    assert found == {number: expected[number] for number in wanted}


def test_a_message_without_a_picture_does_not_hold_up_the_others(tmp_path, monkeypatch):
    class Swallowing(SumDecoder):
        def decode(self, data, max_pixels=0):
            return [] if self.peek(data).encoding == "none" else super().decode(data)

    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), Swallowing)
    parts = [("key", 1), ("none", 0), *[1] * (MAX_LATE + 3)]
    found = values(write_video(tmp_path / "bag", *parts), range(len(parts)))
    assert list(found) == list(range(len(parts)))
    assert "no picture" in found.pop(1)
    assert found == {0: 1} | {k: k for k in range(2, len(parts))}


def test_the_first_picture_of_a_video_is_that_of_its_first_key_frame(tmp_path, monkeypatch):
    path = write_video(tmp_path / "bag", *VIDEO)
    monkeypatch.setitem(DECODERS, (COMPRESSED_IMAGE, "cdr"), SumDecoder)
    with open_bag(path) as bag:
        assert first_picture(bag, bag.image_topic()).pixels[0, 0, 0] == 10


def test_what_a_message_says_is_read_without_its_pixels():
    header = make_header(7_000_000_009, "front")
    jpeg, png = encode_jpeg(header, BGR), encode_png(header, BGR[..., 0])
    for kind, data, size, encoding in (
        (IMAGE, encode_image(header, BGR, "rgb8"), (32, 46), "rgb8"),
        (COMPRESSED_IMAGE, jpeg, (32, 46), "bgr8; jpeg compressed bgr8"),
        (COMPRESSED_IMAGE, png, (32, 46), "mono8; png compressed mono8"),
        (COMPRESSED_IMAGE, jpeg[: len(jpeg) // 2], None, None),
        (COMPRESSED_IMAGE, encode_compressed(header, BGR.reshape(-1)[:40], DEPTH), None, DEPTH),
    ):
        decoder = open_decoder(kind)
        assert decoder.stamp(data) == 7_000_000_009
        if encoding is None:
            with pytest.raises(WireError):
                decoder.peek(data)
            continue
        info = decoder.peek(data)
        assert (info.stamp, info.header.frame_id, info.size, info.encoding, info.key) == (
            7_000_000_009, "front", size, encoding, True,
        )  # fmt: skip
        if size:
            assert decoder.decode(data)[0].pixels.shape == (*size, 3)


def test_labels_are_raw_or_compressed_without_loss():
    header = make_header(1, "cam")
    labels = BGR[..., 0]
    np.testing.assert_array_equal(open_decoder(IMAGE).labels(encode_image(header, labels, "mono8"))[1].values, labels)
    np.testing.assert_array_equal(open_decoder(COMPRESSED_IMAGE).labels(encode_png(header, labels))[1].values, labels)
    with pytest.raises(WireError, match=r"'bgr8; jpeg compressed bgr8' is no label image: .*without loss, .* a JPEG"):
        open_decoder(COMPRESSED_IMAGE).labels(encode_jpeg(header, BGR))


def test_types_without_a_decoder_are_named_with_those_that_have_one(tmp_path):
    with pytest.raises(WireError, match=r"no decoder for sensor_msgs/msg/Imu in cdr; .*sensor_msgs/msg/CompressedIm"):
        open_decoder("sensor_msgs/msg/Imu")
    with pytest.raises(WireError, match="no decoder for sensor_msgs/msg/Image in json"):
        open_decoder(IMAGE, "json")
    BagWriter(tmp_path / "bag", [("/imu", "sensor_msgs/msg/Imu")]).close()
    with open_bag(tmp_path / "bag") as bag, pytest.raises(WireError, match=r"'/imu' \(it is sensor_msgs/msg/Imu, not"):
        bag.image_topic("/imu")


def test_names_of_topics_are_those_of_image_transport():
    assert list(transports()) == ["raw", "compressed", "zstd", "ffmpeg", "foxglove"]
    assert [topic_of("/cam/image", one) for one in ("raw", "compressed")] == ["/cam/image", "/cam/image/compressed"]
    assert topic_of("/cam/image", "ffmpeg") == "/cam/image/ffmpeg"
    assert transport_of("/cam/image/zstd", COMPRESSED_IMAGE) == "zstd"
    assert base_of("/cam/image/compressed") == base_of("/cam/image") == "/cam/image"
    assert base_of("/cam/compressed", IMAGE) == "/cam/compressed"
    assert transport_of("/cam/jpegs", COMPRESSED_IMAGE) == "compressed"
    assert transport_of("/cam/image", IMAGE) == "raw"
