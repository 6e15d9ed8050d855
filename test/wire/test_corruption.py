"""Bags with damaged bits: nothing is lost without a word."""

import random
import struct

import numpy as np
import pytest
import zstandard
from rosbags.rosbag2 import StoragePlugin, Writer

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import IMAGE, NO_STAMP, WireError, deserialise, peek_stamp, typestore
from icnet_ros.wire.image import encode_image, make_header
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.storage.mcap_layout import MAGIC, mcap_layout

FRAMES = 20
PIXELS = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bag") / "bag"
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore())
        for number in range(FRAMES):
            image = encode_image(make_header(10**9 + number, "cam"), PIXELS + np.uint8(number), "bgr8")
            writer.write(topic, 1000 + number, image)
    (file,) = folder.glob("*.mcap")
    return file.read_bytes()


def read(path):
    """How many frames are read, and whether anything is said."""
    try:
        with open_bag(path) as bag:
            camera = bag.image_topic()
            index = index_topics(bag, [camera.name])[camera.name]
            return len(index.recorded), bool(index.corruption)
    except WireError:
        return 0, True


def test_a_whole_file_passes(tmp_path, content):
    (tmp_path / "x.mcap").write_bytes(content)
    assert mcap_layout(tmp_path / "x.mcap").problems == []
    assert read(tmp_path / "x.mcap") == (FRAMES, False)


def flips(content, cases, seed):
    """One bit each, half of them in the index at the end of the file."""
    dice = random.Random(seed)
    tail = len(content) - 2000
    for case in range(cases):
        place = dice.randrange(tail, len(content)) if case % 2 else dice.randrange(len(content))
        damaged = bytearray(content)
        damaged[place] ^= 1 << dice.randrange(8)
        yield place, bytes(damaged)


def check_flips(tmp_path, content, cases, seed):
    for place, damaged in flips(content, cases, seed):
        path = tmp_path / "x.mcap"
        path.write_bytes(damaged)
        frames, said = read(path)
        assert said or frames == FRAMES, f"bit at {place} of {len(content)}: {frames} frames and no word"


def test_no_frame_is_lost_in_silence(tmp_path, content):
    check_flips(tmp_path, content, 60, seed=0)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_no_frame_is_lost_in_silence_600_times(tmp_path, content):
    check_flips(tmp_path, content, 600, seed=1)


def test_all_frames_are_read_around_a_damaged_index(tmp_path, content):
    """A flipped bit in a chunk index: the messages themselves are whole."""
    start = int.from_bytes(content[-28:-20], "little")  # of the summary, as the footer says
    place = content.index(b"\x08", start)
    while int.from_bytes(content[place + 1 : place + 9], "little") > 500:
        place = content.index(b"\x08", place + 1)
    damaged = bytearray(content)
    damaged[place + 9] ^= 2  # start time of the chunk
    (tmp_path / "x.mcap").write_bytes(damaged)
    with open_bag(tmp_path / "x.mcap") as bag:
        index = index_topics(bag, ["/cam"])["/cam"]
    assert len(index.recorded) == FRAMES
    assert "index is damaged" in index.corruption


def test_a_chunk_that_unpacks_to_gigabytes_is_refused_before_it_is_read(tmp_path):
    """4 GB of zeros in 130 KB, as a chunk of an otherwise valid file."""
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=4 * 2**30)
    zeros = bytes(2**24)
    packed = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
    chunk = struct.pack("<QQQII", 0, 0, 4 * 2**30, 0, 4) + b"zstd" + struct.pack("<Q", len(packed)) + packed
    header = b"\x01" + struct.pack("<QII", 8, 0, 0)
    path = tmp_path / "bomb.mcap"
    path.write_bytes(MAGIC + header + b"\x06" + struct.pack("<Q", len(chunk)) + chunk + MAGIC)
    with pytest.raises(WireError, match=r"unpacks to 4\.0 GiB"), open_bag(path):
        pass


@pytest.mark.parametrize(("encoding", "name"), [(0x0003, "parameter list"), (0x0007, "XCDR2"), (0x0009, "XCDR2")])
def test_a_message_in_another_encoding_is_not_read_as_if_it_were_cdr(encoding, name):
    """Cyclone DDS 11.0.1 begins a final type in XCDR2 with 0x0007, an appendable one with 0x0009."""
    header = make_header(0, "camera")
    data = bytearray(encode_image(header, np.zeros((2, 3), np.uint8), "mono8"))
    data[:2] = encoding.to_bytes(2, "big")
    with pytest.raises(WireError, match=rf"encoding 0x{encoding:04x} \({name}.*offer XCDR1"):
        deserialise(bytes(data), IMAGE)
    assert peek_stamp(data) == NO_STAMP
