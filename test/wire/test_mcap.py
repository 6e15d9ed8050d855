"""mcap files with and without each part that the specification makes optional are read exactly."""

import random
import struct
import tracemalloc
from itertools import product

import pytest
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    Message,
    MessageIndex,
    Schema,
    Statistics,
)
from mcap.writer import CompressionType, IndexType, Writer
from recordings import BEGAN, image, read, write_mcap

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.storage.mcap_layout import MAGIC

COUNT = 12
TIMES = [BEGAN + number * 10**8 for number in range(COUNT)]
FLAGS = ("repeat_channels", "repeat_schemas", "use_chunking", "use_statistics", "use_summary_offsets")
INDEXES = (IndexType.ATTACHMENT, IndexType.CHUNK, IndexType.MESSAGE, IndexType.METADATA)


def variants():
    """All combinations of the options of the Python writer."""
    for chosen in product((False, True), repeat=len(FLAGS) + len(INDEXES)):
        index_types = IndexType.NONE
        for use, kind in zip(chosen[len(FLAGS) :], INDEXES, strict=True):
            index_types |= kind if use else IndexType.NONE
        yield {**dict(zip(FLAGS, chosen, strict=False)), "index_types": index_types}


def drive(path, times=TIMES, **options):
    content = [(time, image(number)) for number, time in enumerate(times)]
    return write_mcap(path, {"/cam": (IMAGE, content), "/other": (IMAGE, content[::3])}, **options), content


def check_variant(path, options):
    path, content = drive(path, **options)
    assert read(path) == ({"/cam": content, "/other": content[::3]}, ""), options
    with open_bag(path) as bag:
        assert {topic.name: topic.messages for topic in bag.topics()} == {"/cam": COUNT, "/other": COUNT // 3}
        index = index_topics(bag, ["/cam"])["/cam"]
        assert (index.recorded, index.corruption) == (tuple(TIMES), "")
        assert [(number, message.data) for number, message in index.read(bag, "/cam", (3, 7, 11))] == [
            (number, content[number][1]) for number in (3, 7, 11)
        ]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, said = read(path)
    assert "is cut off" in said
    assert found.get("/cam", []) == content[: len(found.get("/cam", []))]


def test_some_of_all_combinations_of_optional_parts(tmp_path):
    chosen = random.Random(0).sample(list(variants()), 24)
    for options in chosen:
        check_variant(tmp_path / "x.mcap", options)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_all_512_combinations_of_optional_parts(tmp_path):
    every = list(variants())
    assert len(every) == 512
    for options in every:
        check_variant(tmp_path / "x.mcap", options)


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("profile", ["", "ros2", "something"])
def test_compression_and_profile(tmp_path, compression, profile):
    path, content = drive(tmp_path / "x.mcap", compression=compression, profile=profile)
    assert read(path, "/cam") == ({"/cam": content}, "")


def written(*parts):
    """Bytes of records."""
    builder = RecordBuilder()
    for part in parts:
        part.write(builder)
    return builder.end()


@pytest.mark.parametrize("indexed", [True, False])
def test_chunks_without_messages_as_recorders_write_them(tmp_path, indexed):
    """The C++ writer 2.0.1 to 2.1.3: such a chunk begins at 2^64-1, in the index at 0, or is not in the index."""
    schema, channel = Schema(id=1, data=b"", encoding="ros2msg", name=IMAGE), Channel(1, "/cam", "cdr", {}, 1)
    file = MAGIC + written(Header("ros2", ""))
    chunks = []
    for number in range(4):
        content, start, end = written(schema, channel), 2**64 - 1, 0
        if number % 2:
            content, start, end = written(Message(1, number, image(number), number, 0)), number, number
        at = len(file)
        file += written(Chunk("", content, end, start, 0, len(content)))
        length, offsets = len(file) - at, {}
        if number % 2:
            offsets = {1: len(file)}
            file += written(MessageIndex(1, [(number, 0)]))
        sizes = {"compressed_size": len(content), "uncompressed_size": len(content), "compression": ""}
        places = {"chunk_start_offset": at, "message_index_length": len(file) - at - length, **sizes}
        begin = start if number % 2 else 0
        chunks.append(
            ChunkIndex(length, message_end_time=end, message_index_offsets=offsets, message_start_time=begin, **places)
        )
    file += written(DataEnd(0))
    statistics = Statistics(0, 1, {1: 2}, 4, 2, 3, 1, 0, 1)
    summary = written(schema, channel, *(one for one in chunks if indexed or one.message_index_offsets), statistics)
    file += summary + written(Footer(len(file), 0, 0)) + MAGIC
    (tmp_path / "x.mcap").write_bytes(file)
    assert read(tmp_path / "x.mcap") == ({"/cam": [(1, image(1)), (3, image(3))]}, "")


@pytest.mark.parametrize("use_chunking", [True, False])
def test_log_times_that_go_back_are_read_to_the_end(tmp_path, use_chunking):
    """As with simulated time over a restart. Messages outside chunks keep the order of the file, as in C++."""
    times = [*TIMES[:6], *TIMES[:6]]
    path, content = drive(tmp_path / "x.mcap", times, use_chunking=use_chunking)
    found, said = read(path, "/cam")
    assert said == ""
    assert found["/cam"] == (sorted(content, key=lambda entry: entry[0]) if use_chunking else content)
    with open_bag(path) as bag:
        index = index_topics(bag, ["/cam"])["/cam"]
        assert [message.data for _, message in index.read(bag, "/cam", range(6, 12))] == [
            data for _, data in found["/cam"][6:]
        ]


def test_chunks_that_overlap_in_time_are_merged(tmp_path):
    times = [BEGAN + number for number in (0, 10, 20, 5, 15, 25, 12, 30, 40, 35, 36, 7)]
    path, content = drive(tmp_path / "x.mcap", times, chunk_size=1500)
    assert read(path, "/cam") == ({"/cam": sorted(content)}, "")


def test_a_checksum_of_a_chunk_that_differs_is_said_and_its_messages_are_read(tmp_path):
    path, content = drive(tmp_path / "x.mcap")
    raw = path.read_bytes()
    place = raw.index(content[4][1]) + 100
    path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    found, said = read(path, "/cam")
    assert len(found["/cam"]) == COUNT
    assert "its checksum differs" in said


def test_two_types_and_two_definitions_are_said(tmp_path):
    with (tmp_path / "two.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        for kind, text, data in (
            (IMAGE, b"a", image(1)),
            (IMAGE, b"b", image(2)),
            *2 * [(COMPRESSED_IMAGE, b"c", b"")],
        ):
            channel = writer.register_channel("/cam", "cdr", writer.register_schema(kind, "ros2msg", text))
            writer.add_message(channel, 5, data, 5)
        writer.finish()
    with open_bag(tmp_path / "two.mcap") as bag:
        assert bag.image_topic().kind == IMAGE
        assert [message.data for message in bag.messages("/cam")] == [image(1), image(2)]
        two_types, two_definitions = bag.remarks("/cam")
    assert "/cam has messages of sensor_msgs/msg/CompressedImage (2) and sensor_msgs/msg/Image (2)" in two_types
    assert "two.mcap has two definitions of sensor_msgs/msg/Image" in two_definitions


@pytest.mark.parametrize("declared", [3 << 20, 900 << 20])
@pytest.mark.parametrize("compression", ["", "zstd"])
def test_memory_is_not_taken_for_what_a_chunk_declares(tmp_path, compression, declared):
    """A file that was cut off in a chunk, and a chunk whose zstd data has no size."""
    path, content = drive(tmp_path / "x.mcap")
    whole = path.read_bytes()
    offset = whole.index(b"\x06", len(MAGIC) + 9)
    _, length, start, end, unpacked = struct.unpack_from("<BQQQQ", whole, offset)
    records = whole[offset + 9 + 40 : offset + 9 + length]
    assert len(records) == unpacked
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(records) if compression else records
    said = len(packed) if compression else declared
    head = struct.pack("<QQQII", start, end, declared, 0, len(compression)) + compression.encode()
    path.write_bytes(
        whole[:offset] + struct.pack("<BQ", 6, len(head) + 8 + said) + head + struct.pack("<Q", said) + packed
    )
    tracemalloc.start()
    found, problem = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["/cam"] == content[: len(found["/cam"])] != []
    assert "cut off" in problem
    assert peak < 50 * len(whole) + (2 << 20)
