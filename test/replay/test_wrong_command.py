"""Bags given to `icnet segment`, pictures and videos to `icnet replay`: which command takes them is said."""

import sqlite3

import cv2
import numpy as np
import pytest

from icnet_ros.replay.files import MediaError, find_media
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError
from icnet_ros.wire.image import encode_jpeg, make_header

PICTURE = np.zeros((24, 32, 3), np.uint8)


def test_a_recording_of_jpegs_is_no_video(tmp_path):
    """FFmpeg opens it as one: of all JPEGs that are in it, whatever their topics."""
    writer = BagWriter(tmp_path / "drive", [("/a/compressed", COMPRESSED_IMAGE)])
    writer.write("/a/compressed", encode_jpeg(make_header(1, "cam"), PICTURE), 1)
    writer.close()
    (file,) = (tmp_path / "drive").glob("*.mcap")
    with pytest.raises(MediaError, match=r"is a recording of ROS: `icnet replay .*\.mcap`"):
        find_media(file)
    with pytest.raises(MediaError, match=r"recordings of ROS: `icnet replay .*drive`"):
        find_media(tmp_path / "drive")


def test_folders_below_with_pictures_are_named(tmp_path):
    """As in EuRoC, mav0/cam0/data, and KITTI, image_02/data."""
    folder = tmp_path / "drive" / "image_02" / "data"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0000000000.png"), PICTURE)
    with pytest.raises(MediaError, match=r"there are some in .*image_02/data"):
        find_media(tmp_path / "drive")
    with pytest.raises(WireError, match=r"`icnet segment .*image_02/data`"), open_bag(tmp_path / "drive"):
        pass


def test_videos_and_recordings_of_ros_1_say_how_they_are_given(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(WireError, match=r"`icnet segment .*x\.mp4`"), open_bag(tmp_path / "x.mp4"):
        pass
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "x_0.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(WireError, match=r"given as files: .*x_0\.bag, or --fleet '.*split/\*\.bag'"):
        open_bag(tmp_path / "split").__enter__()


def test_an_unmerged_database_in_a_read_only_folder_says_what_to_do(tmp_path, monkeypatch):
    """A recorder that was killed leaves x.db3-wal; SQLite 3.40 reads it only with a third file, which it makes."""

    class ReadOnly(sqlite3.Connection):  # root, as whom tests may run, can write everywhere
        def execute(self, *_):
            raise sqlite3.OperationalError("unable to open database file")

    sqlite3.connect(tmp_path / "x_0.db3").execute("CREATE TABLE topics(id INTEGER)")
    (tmp_path / "x_0.db3-wal").write_bytes(b"x")
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: ReadOnly(":memory:"))
    with pytest.raises(WireError, match=r"with x_0\.db3-wal beside it, .* copy the bag"):
        open_bag(tmp_path).__enter__()
