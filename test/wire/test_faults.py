"""Damaged bits in messages and files: each costs a message at most, or is said; nothing but WireError is raised."""

import random

import numpy as np
import pytest
import zstandard
from foxglove_messages import foxglove_drive
from recordings import PIXELS, image, read, write_mcap, zstd_transport

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError
from icnet_ros.wire.decoders.table import has_decoder, open_decoder
from icnet_ros.wire.image import encode_compressed, make_header

COUNT = 6


def flipped(data, dice):
    damaged = bytearray(data)
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def outcome(path):
    """Messages, how many of them are read, and whether anything is said of the bag."""
    messages = good = 0
    with open_bag(path) as bag:
        decoders = {one.name: open_decoder(one.kind) for one in bag.topics() if has_decoder(one.kind, one.encoding)}
        try:
            for message in bag.messages(*decoders):
                messages += 1
                try:
                    good += len(decoders[message.topic].decode(message.content()))
                except WireError:
                    continue
        except WireError:
            return messages, good, True
    return messages, good, False


def foxglove(folder, dice):
    """A bit of one Protobuf message."""
    encoding = dice.choice(["protobuf", "json"])
    path, _ = foxglove_drive(folder / "x.mcap", encoding)
    with open_bag(path) as bag:
        total = sum(topic.messages for topic in bag.topics() if has_decoder(topic.kind))
    content = path.read_bytes()
    first = content.index(b"\x05", 400)
    damaged = bytearray(content)
    damaged[dice.randrange(first, len(content) * 3 // 4)] ^= 1 << dice.randrange(8)
    path.write_bytes(damaged)
    return path, total, 1


def messages_of(pack):
    def make(folder, dice):
        content = [(number, pack(number)) for number in range(COUNT)]
        place = dice.randrange(COUNT)
        content[place] = (place, flipped(content[place][1], dice))
        kind = IMAGE if pack is packed_image else COMPRESSED_IMAGE
        return write_mcap(folder / "x.mcap", {"/cam": (kind, content)}), COUNT, 1

    return make


def packed_image(number):
    return zstandard.ZstdCompressor(write_checksum=True).compress(image(number))


def transport_image(number):
    content = zstd_transport(PIXELS, "bgr8", *PIXELS.shape[:2], PIXELS.shape[1] * 3)
    return encode_compressed(make_header(number, "cam"), np.frombuffer(content, np.uint8), "zstd")


def packed_file(folder, dice):
    """A bit of a file that was compressed as a whole."""
    plain = write_mcap(folder / "plain", {"/cam": (IMAGE, [(number, image(number)) for number in range(COUNT)])})
    (folder / "x.mcap.zstd").write_bytes(flipped(zstandard.ZstdCompressor().compress(plain.read_bytes()), dice))
    return folder / "x.mcap.zstd", COUNT, COUNT


KINDS = {
    "Foxglove": foxglove,
    "compressed message": messages_of(packed_image),
    "transport zstd": messages_of(transport_image),
    "compressed file": packed_file,
}


def check(folder, name, cases, seed):
    dice = random.Random(seed)
    for _ in range(cases):
        path, total, may_fail = KINDS[name](folder, dice)
        try:
            messages, good, said = outcome(path)
        except WireError:  # the file cannot be opened
            continue
        assert messages <= total
        assert said or messages == total, "messages are missing without a word"
        assert said or good >= total - may_fail


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_bit_is_said_or_costs_one_message(tmp_path, name):
    check(tmp_path, name, 25, seed=0)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_bit_is_said_or_costs_one_message_600_times(tmp_path, name):
    check(tmp_path, name, 600, seed=1)


def test_the_corpus_is_whole_without_damage(tmp_path):
    for pack in (packed_image, transport_image):
        kind = IMAGE if pack is packed_image else COMPRESSED_IMAGE
        path = write_mcap(tmp_path / "x.mcap", {"/cam": (kind, [(1, pack(1))])})
        assert outcome(path) == (1, 1, False)
    assert outcome(foxglove_drive(tmp_path / "x.mcap", "json")[0])[2] is False
    assert read(path)[1] == ""
