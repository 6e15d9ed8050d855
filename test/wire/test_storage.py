"""Every kind of recording, and what is left of those that were cut off."""

import cv2
import numpy as np
import pytest
import yaml
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from icnet_ros.wire.bag import BagWriter, bag_hash, open_bag, prepare_bag_folder
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, NO_STAMP, WireError, peek_stamp, typestore
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_image, encode_jpeg, make_header, stamp_ns
from icnet_ros.wire.index import index_topics

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def image(number):
    return encode_image(make_header(10**9 + number, "cam"), PIXELS + np.uint8(number), "bgr8")


def write(path, count, *, storage=StoragePlugin.MCAP, compression=None, first=0):
    writer = Writer(path, version=9, storage_plugin=storage)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore())
        for number in range(first, first + count):
            writer.write(topic, number, image(number))
    return path


def read(path, topic="/cam"):
    """Messages until the damage, and what is said of it."""
    messages = []
    with open_bag(path) as bag:
        try:
            messages.extend(bag.messages(topic))
        except WireError as err:
            return messages, str(err)
    return messages, ""


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize(
    "compression", [None, CompressionMode.FILE, CompressionMode.MESSAGE, CompressionMode.STORAGE], ids=str
)
def test_ros_2_bags(tmp_path, storage, compression):
    if storage == StoragePlugin.SQLITE3 and compression == CompressionMode.STORAGE:
        pytest.skip("sqlite3 has no compression of its own")
    messages, damage = read(write(tmp_path / "bag", 5, storage=storage, compression=compression))
    assert damage == ""
    assert [message.data for message in messages] == [image(number) for number in range(5)]
    assert [message.recorded_ns for message in messages] == list(range(5))
    with open_bag(tmp_path / "bag") as bag:
        index = index_topics(bag, ["/cam"])["/cam"]
        found = list(index.read(bag, "/cam", (2, 4)))
        assert [message.recorded_ns for message in bag.messages("/cam", start=3)] == [3, 4]
    assert (index.recorded, index.corruption) == (tuple(range(5)), "")
    assert index.stamps == tuple(10**9 + number for number in range(5))
    assert found == [(2, messages[2]), (4, messages[4])]


@pytest.mark.parametrize("suffix", ["mcap", "db3"])
def test_a_single_file(tmp_path, suffix):
    storage = StoragePlugin.MCAP if suffix == "mcap" else StoragePlugin.SQLITE3
    (file,) = write(tmp_path / "bag", 3, storage=storage).glob(f"*.{suffix}")
    assert len(read(file)[0]) == 3


def test_ros_1_bags(tmp_path):
    """Written with the types of ROS 1, whose header has a sequence number; read as ROS 2 would have it."""
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    with Writer1(tmp_path / "drive.bag") as writer:
        raw = writer.add_connection("/cam/image_raw", IMAGE, typestore=store)
        jpeg = writer.add_connection("/cam/image_raw/compressed", COMPRESSED_IMAGE, typestore=store)
        for number in range(3):
            stamp = types["builtin_interfaces/msg/Time"](sec=7, nanosec=number)
            header = types["std_msgs/msg/Header"](seq=99, stamp=stamp, frame_id="cam")
            flat = PIXELS.reshape(-1)
            message = types[IMAGE](header, 60, 80, "bgr8", 0, 240, flat)
            writer.write(raw, number, store.serialize_ros1(message, IMAGE))
            content = cv2.imencode(".png", PIXELS)[1].reshape(-1)
            writer.write(
                jpeg, number, store.serialize_ros1(types[COMPRESSED_IMAGE](header, "png", content), COMPRESSED_IMAGE)
            )
    with open_bag(tmp_path / "drive.bag") as bag:
        assert [topic.name for topic in bag.cameras()] == ["/cam/image_raw"]
        for topic, decode in (("/cam/image_raw", decode_image), ("/cam/image_raw/compressed", decode_compressed)):
            found = [decode(message.data) for message in bag.messages(topic)]
            assert [stamp_ns(picture.header) for picture in found] == [7 * 10**9 + number for number in range(3)]
            assert all((picture.pixels == PIXELS).all() for picture in found)


def cut(file, share=0.5):
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


def noise(number):
    """A JPEG-less image of 1.1 MB: each fills a chunk of its own."""
    pixels = np.random.default_rng(number).integers(0, 256, (600, 640, 3), np.uint8)
    return encode_image(make_header(10**9 + number, "cam"), pixels, "bgr8")


@pytest.fixture
def large(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore())
        for number in range(8):
            writer.write(topic, number, noise(number))
    return tmp_path / "bag"


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_bag_that_was_cut_off_gives_what_is_whole(large, whole_folder):
    (file,) = large.glob("*.mcap")
    cut(file)
    messages, damage = read(large if whole_folder else file)
    assert [message.data for message in messages] == [noise(number) for number in range(len(messages))]
    assert 3 <= len(messages) <= 4
    assert "is cut off: what follows is lost" in damage
    with open_bag(large) as bag:
        assert bag.image_topic()[:3] == ("/cam", IMAGE, len(messages))


def test_a_recorder_that_was_killed_left_no_metadata(large):
    (large / "metadata.yaml").unlink()
    messages, damage = read(large)
    assert (len(messages), damage) == (8, "")


@pytest.mark.parametrize("count", ["six", "null", "[1]", "1.5"])
def test_a_count_in_the_metadata_that_is_no_number_costs_no_message(tmp_path, count):
    folder = write(tmp_path / "bag", 3)
    metadata = folder / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 3", f"message_count: {count}"))
    messages, damage = read(folder)
    assert (len(messages), damage) == (3, "")


def test_split_files_with_one_cut_off(tmp_path):
    """What is behind the damaged file is not lost."""
    folder = tmp_path / "split"
    folder.mkdir()
    for part in (0, 2, 10):  # 10 comes after 2
        (file,) = write(tmp_path / f"part{part}", 3, first=10 * part).glob("*.mcap")
        file.rename(folder / f"drive_{part}.mcap")
    (folder / "drive_2.mcap").write_bytes((folder / "drive_2.mcap").read_bytes()[:-60])  # no index, all messages
    messages, damage = read(folder)
    assert [message.recorded_ns for message in messages] == [0, 1, 2, 20, 21, 22, 100, 101, 102]
    assert "drive_2.mcap is cut off" in damage


def test_a_file_of_which_nothing_is_left_is_named(tmp_path):
    folder = write(tmp_path / "bag", 3)
    (folder / "more.mcap").write_bytes(b"rubbish")
    (folder / "metadata.yaml").unlink()
    messages, damage = read(folder)
    assert len(messages) == 3
    assert "more.mcap" in damage


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + bytes(100)])
def test_what_is_no_recording(tmp_path, content):
    (tmp_path / "x.mcap").write_bytes(content)
    with pytest.raises(WireError, match=r"x\.mcap: not a readable ROS bag"), open_bag(tmp_path / "x.mcap"):
        pass


def test_a_cut_off_database_is_read_as_far_as_sqlite_can(tmp_path):
    (file,) = write(tmp_path / "bag", 200, storage=StoragePlugin.SQLITE3).glob("*.db3")
    cut(file)
    try:
        messages, damage = read(tmp_path / "bag")
    except WireError as err:
        messages, damage = [], str(err)
    assert [message.data for message in messages] == [image(number) for number in range(len(messages))]
    assert "bag" in damage


def test_the_hash_is_that_of_the_recording(tmp_path):
    one, other = write(tmp_path / "one", 3), write(tmp_path / "other", 3, first=1)
    seen = []
    assert bag_hash(one, lambda *done: seen.append(done)) == bag_hash(one) != bag_hash(other)
    assert seen


def test_a_folder_with_other_things_is_not_emptied(tmp_path):
    folder = tmp_path / "own"
    BagWriter(folder, [("/cam", IMAGE)]).close()
    with pytest.raises(WireError, match="would be replaced"):
        prepare_bag_folder(folder, next(folder.glob("*.mcap")))
    assert not prepare_bag_folder(folder).exists()
    folder = write(tmp_path / "bag", 1)
    with pytest.raises(WireError, match="did not write"):
        prepare_bag_folder(folder)
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(WireError, match=r"thesis\.txt"):
        prepare_bag_folder(folder)
    assert (folder / "thesis.txt").exists()


def test_a_jpeg_of_a_bag_is_left_as_it_is(tmp_path):
    data = encode_jpeg(make_header(1, "cam"), PIXELS)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/cam/compressed", COMPRESSED_IMAGE, typestore=typestore())
        writer.write(topic, 1, data)
    assert read(tmp_path / "bag", "/cam/compressed")[0][0].data == data


def test_an_index_goes_as_far_as_the_bag_can_be_read(tmp_path):
    (file,) = write(tmp_path / "bag", 160).glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    whole, damage = read(file)
    with open_bag(file) as bag:
        index = index_topics(bag, ["/cam"])["/cam"]
        assert list(index.read(bag, "/cam", range(5, len(whole)))) == list(enumerate(whole))[5:]
    assert 0 < len(index.recorded) == len(whole) < 160
    assert index.corruption == damage


def test_messages_that_were_recorded_at_one_time_keep_their_places(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore())
        for number, time in enumerate((7, 7, 7, 8)):
            writer.write(topic, time, image(number))
    with open_bag(tmp_path / "bag") as bag:
        index = index_topics(bag, ["/cam"])["/cam"]
        assert [(k, one.data) for k, one in index.read(bag, "/cam", (1, 3))] == [(1, image(1)), (3, image(3))]


def test_a_stamp_is_read_without_the_rest():
    assert peek_stamp(image(5)) == 10**9 + 5
    assert peek_stamp(image(5)[:12]) == 10**9 + 5
    assert peek_stamp(image(5)[:11]) == NO_STAMP


def split_bag(tmp_path, numbers):
    """A folder with a metadata.yaml that lists one file per number."""
    folder = write(tmp_path / "bag", 1)
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    information = metadata["rosbag2_bagfile_information"]
    first = folder / information["relative_file_paths"][0]
    for number in numbers[1:]:
        part = write(tmp_path / f"part{number}", 1, first=number)
        next(part.glob("*.mcap")).rename(folder / f"bag_{number}.mcap")
    information["relative_file_paths"] = [first.name, *(f"bag_{number}.mcap" for number in numbers[1:])]
    information["message_count"] = len(numbers)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return folder


def test_a_missing_part_is_said_and_the_rest_is_read(tmp_path):
    folder = split_bag(tmp_path, [0, 1, 2])
    (folder / "bag_1.mcap").unlink()
    messages, said = read(folder)
    assert len(messages) == 2
    assert "bag_1.mcap: missing" in said


def test_a_part_that_metadata_does_not_list_is_said(tmp_path):
    folder = write(tmp_path / "bag", 2)
    next(write(tmp_path / "part", 1, first=2).glob("*.mcap")).rename(folder / "bag_1.mcap")
    messages, said = read(folder)
    assert len(messages) == 2
    assert "bag_1.mcap: not listed in metadata.yaml" in said


def test_compressed_parts_without_metadata_are_said(tmp_path):
    folder = write(tmp_path / "bag", 2)
    (folder / "metadata.yaml").unlink()
    (folder / "bag_1.mcap.zstd").write_bytes(b"compressed")
    messages, said = read(folder)
    assert len(messages) == 2
    assert "bag_1.mcap.zstd: compressed" in said


def test_labels_that_a_node_published_are_neither_camera_nor_ground_truth(tmp_path):
    folder = tmp_path / "bag"
    topics = [("/cam", IMAGE), ("/icnet/labels", IMAGE), ("/icnet/overlay", IMAGE)]
    writer = BagWriter(folder, [*topics, ("/icnet/latency", "icnet_ros/msg/FrameLatency")])
    for topic, _ in topics:
        encoding, pixels = ("mono8", PIXELS[..., 0]) if "labels" in topic else ("bgr8", PIXELS)
        writer.write(topic, encode_image(make_header(1, "cam"), pixels, encoding), 1)
    writer.close()
    with open_bag(folder) as bag:
        assert [topic.name for topic in bag.cameras()] == ["/cam"]
        assert bag.ground_truth_topic() is None
        assert bag.ground_truth_topic("/icnet/labels").name == "/icnet/labels"
