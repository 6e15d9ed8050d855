"""Recordings as users have them: edited, compressed, killed, with types of others."""

import sqlite3

import numpy as np
import pytest
import yaml
import zstandard
from mcap.writer import Writer as McapWriter
from recordings import COUNT, IMAGES, WHOLE, image, read, write_mcap
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError, typestore
from icnet_ros.wire.image import encode_image, make_header

STORAGES = pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
ODD_DEFINITIONS = {
    "not found": ("my_msgs/msg/Thing", "unknown", ""),
    "no encoding": ("my_msgs/msg/Thing", "", ""),
    "cut off": ("my_msgs/msg/Thing", "ros2msg", "std_msgs/Header header\nint32 x["),
    "service": ("std_srvs/srv/Go_Event", "ros2msg", "SRV: std_srvs/srv/Go\nstd_msgs/Header h\n---\nbool success\n"),
    "line ends of Windows": ("my_msgs/msg/Thing", "ros2msg", "int32 x\r\nint32 y\r\n"),
    "a map": ("my_msgs/msg/Thing", "ros2idl", "module my_msgs { module msg { struct T { map<string, long> m; }; }; };"),
}


NEVER = QosTime(9223372036, 854775807)
OFFERED = Qos(
    QosHistory.KEEP_LAST, 10, QosReliability.BEST_EFFORT, QosDurability.VOLATILE,
    NEVER, NEVER, QosLiveliness.AUTOMATIC, NEVER, avoid_ros_namespace_conventions=False,
)  # fmt: skip


def bag(path, storage=StoragePlugin.MCAP, compression=None, version=8):
    """Version 9 of metadata.yaml has QoS as a list, version 8 as a text."""
    writer = Writer(path, version=version, storage_plugin=storage)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore(), offered_qos_profiles=[OFFERED])
        for time, data in IMAGES:
            writer.write(topic, time, data)
    return path


def edit(path, change):
    file = path / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    change(content["rosbag2_bagfile_information"])
    file.write_text(yaml.safe_dump(content))
    return path


def topic_of(information):
    return information["topics_with_message_count"][0]


@STORAGES
@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize("profiles", ["- reliability: reliable\n  depth: 3", "[]", [], [{"reliability": 1}], None, 7])
def test_qos_edited_for_playback_drops_no_topic(tmp_path, storage, version, profiles):
    path = edit(
        bag(tmp_path / "bag", storage, version=version),
        lambda information: topic_of(information)["topic_metadata"].update(offered_qos_profiles=profiles),
    )
    assert read(path) == WHOLE


@STORAGES
@pytest.mark.parametrize(("count", "said"), [(0, ""), (2, ""), (COUNT, ""), (20, "declares 20 messages on /cam, 5")])
def test_counts_in_metadata_that_are_too_small_mean_nothing(tmp_path, storage, count, said):
    path = edit(bag(tmp_path / "bag", storage), lambda information: topic_of(information).update(message_count=count))
    found, damage = read(path)
    assert found == WHOLE[0]
    assert said in damage
    assert bool(said) == bool(damage)
    with open_bag(path) as opened:
        assert opened.image_topic().messages == COUNT


def test_renamed_files_and_missing_types_are_read(tmp_path):
    path = bag(tmp_path / "bag")
    (path / "bag.mcap").rename(path / "monday.mcap")
    assert read(path) == WHOLE
    assert read(edit(path, lambda information: information.update(storage_identifier=""))) == WHOLE
    (path / "monday.mcap").rename(tmp_path / "no_suffix")
    assert read(tmp_path / "no_suffix") == WHOLE


@STORAGES
def test_compressed_messages_are_unpacked_whatever_metadata_says(tmp_path, storage):
    path = bag(tmp_path / "bag", storage, CompressionMode.MESSAGE)
    assert read(path) == WHOLE
    (file,) = (file for file in path.iterdir() if file.suffix != ".yaml")
    assert read(file) == WHOLE
    (path / "metadata.yaml").unlink()
    assert read(path) == WHOLE


def test_a_compressed_message_that_is_damaged_costs_only_itself(tmp_path):
    packed = zstandard.ZstdCompressor().compress(image(1))
    wrong = [packed[: len(packed) // 2], packed[:4] + b"\xff" * 40, packed[:4]]
    content = [(1, image(1)), *((2 + k, data) for k, data in enumerate(wrong)), (9, packed)]
    path = write_mcap(tmp_path / "x.mcap", {"/cam": (IMAGE, content)})
    with open_bag(path) as opened:
        messages = list(opened.messages("/cam"))
    assert [message.data for message in messages] == [image(1), b"", b"", b"", image(1)]
    assert all("a compressed message of" in message.problem for message in messages[1:4])
    with pytest.raises(WireError, match=r"cut off|cannot be unpacked"):
        messages[1].content()


@STORAGES
def test_compressed_files_are_unpacked_with_and_without_metadata(tmp_path, storage):
    path = bag(tmp_path / "bag", storage, CompressionMode.FILE)
    (file,) = path.glob("*.zstd")
    assert read(path) == read(file) == WHOLE
    (path / "metadata.yaml").unlink()
    assert read(path) == WHOLE
    unpacked = path / file.stem
    unpacked.write_bytes(zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read())
    assert read(path) == WHOLE  # not twice


def test_what_is_whole_of_a_compressed_file_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 300, 400, 3), np.uint8)
    content = [(number, image(number, pixels)) for number, pixels in enumerate(noise)]
    plain = write_mcap(tmp_path / "x.mcap", {"/cam": (IMAGE, content)})
    packed = zstandard.ZstdCompressor().compress(plain.read_bytes())
    plain.unlink()
    (tmp_path / "x.mcap.zstd").write_bytes(packed[: len(packed) // 2])
    found, said = read(tmp_path)
    assert found["/cam"] == content[: len(found["/cam"])]
    assert len(found["/cam"]) >= 3
    assert "zstd data is cut off" in said
    assert "ros2 bag reindex" not in said  # which cannot read such bags


@pytest.mark.parametrize("odd", ODD_DEFINITIONS)
def test_definitions_of_other_topics_are_not_needed(tmp_path, odd):
    kind, encoding, text = ODD_DEFINITIONS[odd]
    other = ("/other", kind, encoding, text)
    path = bag(tmp_path / "bag", StoragePlugin.SQLITE3)
    with sqlite3.connect(next(path.glob("*.db3"))) as database:
        database.execute(
            "INSERT INTO topics (id, name, type, serialization_format, offered_qos_profiles, type_description_hash) "
            "VALUES (2, ?, ?, 'cdr', '', 'RIHS01_00')",
            other[:2],
        )
        database.execute(
            "INSERT INTO message_definitions (topic_type, encoding, encoded_message_definition, type_description_hash) "
            "VALUES (?, ?, ?, 'RIHS01_00')",
            other[1:],
        )
        database.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (2, 5, x'00010000')")
    database.close()
    listed = {"name": "/other", "type": kind}

    def list_other(information):
        topics = information["topics_with_message_count"]
        topics.append({"topic_metadata": topics[0]["topic_metadata"] | listed, "message_count": 1})

    assert read(edit(path, list_other), "/cam") == WHOLE
    files = {"/cam": (IMAGE, IMAGES), "/other": (kind, [(5, b"\0\1\0\0")], (encoding, "cdr", text.encode()))}
    assert read(write_mcap(tmp_path / "x.mcap", files), "/cam") == WHOLE
    with open_bag(path) as opened:
        assert [topic.name for topic in opened.cameras()] == ["/cam"]


@pytest.mark.parametrize("kind", ["sensor_msgs/Image", "sensor_msgs::msg::Image"])
def test_type_names_without_msg_are_those_of_ros_2(tmp_path, kind):
    path = write_mcap(tmp_path / "x.mcap", {"/cam": (kind, IMAGES)})
    assert read(path) == WHOLE
    with open_bag(path) as opened:
        assert opened.image_topic().kind == IMAGE


def test_bags_that_are_written_can_be_read_by_humble(tmp_path):
    """Its reader knows metadata up to version 8, where QoS is a text; label maps are packed."""
    labels = np.zeros((480, 640), np.uint8)
    writer = BagWriter(tmp_path / "bag", [("/labels", IMAGE)])
    for number in range(10):
        writer.write("/labels", encode_image(make_header(number, "cam"), labels, "mono8"), number)
    writer.close()
    information = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["version"] <= 8
    assert isinstance(topic_of(information)["topic_metadata"]["offered_qos_profiles"], str)
    assert (tmp_path / "bag" / "bag.mcap").stat().st_size < labels.size / 10
    assert len(read(tmp_path / "bag")[0]["/labels"]) == 10


def test_an_empty_recording_says_so(tmp_path):
    with (tmp_path / "x.mcap").open("wb") as file:
        writer = McapWriter(file)
        writer.start()
        writer.finish()
    with open_bag(tmp_path / "x.mcap") as opened, pytest.raises(WireError, match="no image topic; the bag has nothing"):
        opened.image_topic()
