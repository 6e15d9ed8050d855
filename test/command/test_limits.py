"""What is refused is refused through the commands, too: exit code 1 and a line that says what to do."""

from drives import icnet, pictures
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from icnet_ros.wire.cdr import IMAGE, typestore
from icnet_ros.wire.image import encode_image, make_header


def test_an_entry_that_is_there_twice(tmp_path, capfd):
    file = tmp_path / "dataset.yaml"
    file.write_text("name: yard\nclasses: camvid\nname: garden\nsplits: {train: [{images: a, labels: b}]}\n")
    assert icnet("dataset", "check", "--data", file) == 1
    assert "dataset.yaml, line 3: the entry 'name' is there twice" in " ".join(capfd.readouterr().err.split())


def test_a_recording_that_unpacks_to_more_than_the_limit(tmp_path, model, monkeypatch, capfd):
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection("/cam", IMAGE, typestore=typestore())
        for number, picture in enumerate(pictures(3)):
            writer.write(topic, number, encode_image(make_header(number, "cam"), picture, "bgr8"))
    words = ("replay", tmp_path / "bag", "--out", tmp_path / "out", "--model", model, "--engine", "torch", "--no-video")
    monkeypatch.setenv("ICNET_MAX_UNPACKED_GIB", "0.00001")
    assert icnet(*words) == 1
    assert "set ICNET_MAX_UNPACKED_GIB" in " ".join(capfd.readouterr().err.split())
    monkeypatch.setenv("ICNET_MAX_UNPACKED_GIB", "1")
    assert icnet(*words) == 0
