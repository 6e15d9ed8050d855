"""Video topics against PyAV itself and against the pictures that were encoded."""

import random
import sys

import numpy as np
import pytest
from recordings import write_mcap
from videos import BEGAN, as_message, decoded, encode, scenes

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, WireError
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import stamp_ns
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.reading import first_picture, read_images
from icnet_ros.wire.video_stream import codec_of, is_key_frame

COUNT = 17
LIVE = {"tune": "zerolatency"}
# name -> (codec, message type, encoder and its options)
STREAMS = {
    "h264": ("h264", COMPRESSED_VIDEO, {"encoder": "libx264", "options": LIVE}),
    "h264, B frames": ("h264", FFMPEG_PACKET, {"encoder": "libx264", "b_frames": 3}),
    "h264, 4:4:4": ("h264", COMPRESSED_VIDEO, {"encoder": "libx264", "options": LIVE, "pix_fmt": "yuv444p"}),
    "h264, slices": ("h264", COMPRESSED_IMAGE, {"encoder": "libx264", "options": {**LIVE, "slices": "4"}}),
    "h265": ("h265", COMPRESSED_VIDEO, {"encoder": "libx265", "options": LIVE}),
    "h265, B frames, open": ("h265", FFMPEG_PACKET, {"encoder": "libx265", "b_frames": 2}),
    "vp9": ("vp9", COMPRESSED_VIDEO, {"encoder": "libvpx-vp9"}),
    "vp9, one key frame": ("vp9", FFMPEG_PACKET, {"encoder": "libvpx-vp9", "gop": 100}),
    "av1": ("av1", COMPRESSED_VIDEO, {"encoder": "libsvtav1", "options": {"svtav1-params": "pred-struct=1"}}),
    "av1, hidden frames": ("av1", COMPRESSED_VIDEO, {"encoder": "libsvtav1"}),
}


@pytest.fixture(scope="module")
def streams():
    """name -> packets; encoded once."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = encode(pictures=scenes(COUNT), **STREAMS[name][2])
        return made[name]

    return make


def bag_of(path, kind, codec, packets, **more):
    content = [
        (1000 + place, as_message(kind, codec, data, number, **more)) for place, (data, number) in enumerate(packets)
    ]
    return write_mcap(path, {"/cam/image": (kind, content)}, chunk_size=3000)


def pictures_of(path, wanted=None):
    """{place: (stamp - BEGAN, pixels)}, {place: error}."""
    found, errors = {}, {}
    with open_bag(path) as bag:
        topic = bag.image_topic()
        index = index_topics(bag, [topic.name])[topic.name]
        for image in read_images(bag, topic, index, range(len(index.recorded)) if wanted is None else wanted):
            try:
                picture = image.picture()
                found[image.number] = stamp_ns(picture.header) - BEGAN, picture.bgr()
            except WireError as err:
                errors[image.number] = str(err)
    return found, errors


@pytest.mark.parametrize("name", STREAMS)
def test_every_frame_is_that_of_pyav_with_the_stamp_of_its_packet(tmp_path, streams, name):
    codec, kind, _ = STREAMS[name]
    packets = streams(name)
    path = bag_of(tmp_path / "x.mcap", kind, codec, packets)
    expected, shown = decoded(codec, packets), list(scenes(COUNT))
    found, errors = pictures_of(path)
    assert errors == {}
    assert sorted(found) == list(range(COUNT))
    for place, (number, pixels) in found.items():
        assert number == packets[place][1]
        assert np.array_equal(pixels, expected[number])
        assert np.abs(pixels.astype(int) - shown[number]).mean() < 8
    for wanted in ([0], [7], [4, 12], range(9, 13), [COUNT - 1]):  # begins at a key frame before them
        part, errors = pictures_of(path, wanted)
        assert errors == {}
        assert sorted(part) == list(wanted)
        assert all(np.array_equal(part[place][1], found[place][1]) for place in wanted)


@pytest.mark.parametrize("name", ["h264", "h265", "vp9", "av1"])
def test_decoding_begins_at_a_key_frame(tmp_path, streams, name):
    codec, kind, _ = STREAMS[name]
    packets = streams(name)
    expected = decoded(codec, packets)
    keys = [place for place, (data, _) in enumerate(packets) if is_key_frame(codec, data)]
    assert keys == [0, 5, 10, 15]
    path = bag_of(tmp_path / "x.mcap", kind, codec, packets[3:])
    found, errors = pictures_of(path)
    assert list(errors) == [0, 1]
    assert all("no key frame yet" in error for error in errors.values())
    assert sorted(found) == list(range(2, COUNT - 3))
    assert all(np.array_equal(pixels, expected[number]) for number, pixels in found.values())
    with open_bag(path) as bag:
        assert stamp_ns(first_picture(bag, bag.image_topic()).header) == BEGAN + 5


@pytest.mark.parametrize("name", ["h264", "h265", "vp9", "av1"])
def test_a_damaged_packet_fails_and_the_next_key_frame_is_right_again(tmp_path, streams, name):
    codec, kind, _ = STREAMS[name]
    packets = streams(name)
    expected = decoded(codec, packets)
    damaged = [*packets[:7], (packets[7][0][:9], 7), *packets[8:12], (b"", 12), *packets[13:]]
    found, errors = pictures_of(bag_of(tmp_path / "x.mcap", kind, codec, damaged))
    assert "packet without data" in errors[12]
    assert 7 in errors or 8 in found
    assert sorted({*found, *errors}) == list(range(COUNT))
    for number in (*range(7), 10, 11, 15, 16):
        assert np.array_equal(found[number][1], expected[number])


def test_names_of_codecs_and_of_encoders():
    names = {
        "h264": "h264", "H.264": "h264", "libx264": "h264", "h264_nvenc": "h264", "avc1": "h264", "hevc": "h265",
        "hevc_vaapi": "h265", "libx265": "h265", "h265": "h265", "av1_nvenc": "av1", "libsvtav1": "av1", "vp9": "vp9",
        "libvpx-vp9": "vp9", "jpeg": "", "bgr8; jpeg compressed bgr8": "", "": "",
    }  # fmt: skip
    assert {name: codec_of(name) for name in names} == names


@pytest.mark.parametrize("encoding", ["libx264", "h264_nvmpi", "h264;yuv420p;bgr8;bgr8", "h264;nv12;bgr8;bayer_rggb8"])
def test_encodings_of_old_and_new_releases(tmp_path, streams, encoding):
    packets = streams("h264")
    path = bag_of(tmp_path / "x.mcap", FFMPEG_PACKET, "h264", packets, encoding=encoding)
    found, errors = pictures_of(path)
    assert (len(found), errors) == (COUNT, {})


def test_what_is_no_video_that_can_be_read(tmp_path, streams):
    data = streams("h264")[0][0]
    for kind, codec, encoding, said in (
        (COMPRESSED_VIDEO, "mjpeg", "", "format 'mjpeg', not h264, h265, vp9 or av1"),
        (FFMPEG_PACKET, "x", "theora;a;b;c", "the codec 'theora' is not known"),
        (FFMPEG_PACKET, "x", "hevc;gray;bayer_rggb8;bayer_rggb8", "a Bayer mosaic as a video is not read"),
    ):
        with pytest.raises(WireError, match=said):
            open_decoder(kind).decode(as_message(kind, codec, data, 0, encoding))
    depth = as_message(FFMPEG_PACKET, "h265", data, 0, "hevc;gray16le;16UC1;16UC1")
    with open_bag(write_mcap(tmp_path / "x.mcap", {"/depth": (FFMPEG_PACKET, [(1, depth)])})) as bag:
        assert bag.cameras() == []


def test_a_video_larger_than_the_limit_is_refused(streams):
    data = as_message(COMPRESSED_VIDEO, "h264", streams("h264")[0][0], 0)
    with pytest.raises(WireError):
        open_decoder(COMPRESSED_VIDEO).decode(data, max_pixels=1000)


@pytest.mark.parametrize(
    ("matrix", "bgr"), [("smpte170m", (60, 180, 60)), ("bt709", (57, 161, 51)), ("undef", (60, 180, 60))]
)
def test_colours_are_those_of_the_matrix_that_the_stream_names(matrix, bgr):
    """The same Y U V 128, 93, 84, of (60, 180, 60) in BT.601. PyAV before 17 took every stream for BT.601."""
    pytest.importorskip("av", minversion="17", reason="PyAV before 17")
    picture = np.full((96, 128, 3), (60, 180, 60), np.uint8)
    options = {**LIVE, "qp": "0", "x264-params": f"colormatrix={matrix}"}
    ((data, _),) = encode("libx264", [picture], options=options)
    found = open_decoder(COMPRESSED_VIDEO).decode(as_message(COMPRESSED_VIDEO, "h264", data, 0))[0].pixels
    assert np.abs(found[48, 64].astype(int) - bgr).max() <= 3


def test_without_pyav_it_is_said_what_to_install(monkeypatch, streams):
    data = as_message(COMPRESSED_VIDEO, "h264", streams("h264")[0][0], 0)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(WireError, match=r"needs the package av: pip install 'icnet_ros\[video\]'"):
        open_decoder(COMPRESSED_VIDEO).decode(data)


def check_flips(path, streams, cases, seed):
    """One damaged bit in a message: each message has a picture or an error, and nothing else is raised."""
    dice = random.Random(seed)
    said = 0
    for name in ("h264", "h265", "vp9", "av1"):
        codec, kind, _ = STREAMS[name]
        packets = streams(name)
        for _ in range(cases):
            place = dice.randrange(len(packets))
            data, number = bytearray(packets[place][0]), packets[place][1]
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            found, errors = pictures_of(
                bag_of(path, kind, codec, [*packets[:place], (data, number), *packets[place + 1 :]])
            )
            assert sorted({*found, *errors}) == list(range(COUNT))
            said += bool(errors)
    assert said


def test_no_damaged_bit_is_more_than_an_error(tmp_path, streams):
    check_flips(tmp_path / "x.mcap", streams, 5, seed=0)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_no_damaged_bit_is_more_than_an_error_600_times(tmp_path, streams):
    check_flips(tmp_path / "x.mcap", streams, 600, seed=1)
