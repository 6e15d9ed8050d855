"""What is replayed, and where its results go."""

from pathlib import Path

import numpy as np
import pytest

from icnet_ros.replay.drives import bag_names, find_drives
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE
from icnet_ros.wire.image import encode_image, encode_jpeg, make_header


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (("a/x.mcap", "a/y.mcap"), ["x", "y"]),
        (("a/x.mcap", "b/x.mcap"), ["a.x", "b.x"]),
        (("a/x.mcap", "a/x.db3"), ["x.mcap", "x.db3"]),
        (("a/x.mcap", "a/x.db3", "b/x.mcap"), ["a.x.mcap", "a.x.db3", "b.x"]),
        (("a.b/x.mcap", "a/b.x.mcap", "c/x.mcap"), ["a.b.x", "a.b.x-2", "c.x"]),
    ],
)
def test_every_drive_has_a_name_of_its_own(tmp_path, files, names):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert bag_names([tmp_path / file for file in files]) == names


def test_the_folder_that_one_is_in_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "drive" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "drive" / "inner")
    assert bag_names([Path()]) == ["inner"]
    assert bag_names([Path("..")]) == ["drive"]


def make(path):
    writer = BagWriter(path, [("/cam/image", IMAGE), ("/cam/image/compressed", COMPRESSED_IMAGE)])
    picture = np.zeros((8, 8, 3), np.uint8)
    writer.write("/cam/image", encode_image(make_header(1, "cam"), picture, "bgr8"), 1)
    writer.write("/cam/image/compressed", encode_jpeg(make_header(1, "cam"), picture), 1)
    writer.close()
    return path


def find(bags, *cameras, pattern=""):
    return find_drives(bags, pattern, bags[0].parent / "out", Selection(), cameras)


def test_two_ways_to_one_bag_are_one_drive(tmp_path):
    bag = make(tmp_path / "bag")
    (tmp_path / "link").symlink_to(bag)
    (drive,) = find([bag, bag / ".." / "bag", tmp_path / "link"], pattern=str(bag / "*.mcap"))
    assert (drive.name, drive.folder) == ("bag", tmp_path / "out")


def test_predictions_of_an_earlier_run_are_no_drives(tmp_path):
    make(tmp_path / "bag")
    make(tmp_path / "out" / "predictions")
    ResultStore(tmp_path / "out").prepare("an earlier run")
    drives = find_drives((), f"{tmp_path}/**/*.mcap", tmp_path / "out", Selection(), ())
    assert [drive.bag for drive in drives] == [tmp_path / "bag"]
    (drive,) = find_drives((), f"{tmp_path}/ba*", tmp_path, Selection(), ())  # bags may lie where results go
    assert drive.bag == tmp_path / "bag"
    (drive,) = find_drives((), f"{tmp_path}/[bo]*", tmp_path / "out", Selection(), ())
    assert drive.bag == tmp_path / "bag"


def test_topic_names_that_ros_would_not_allow_become_names_of_folders(tmp_path):
    names = ["/a\0b", "/" + "x" * 300, "/" + "x" * 301, "/../../up", "/\x1b[31m"]
    writer = BagWriter(tmp_path / "bag", [(name, IMAGE) for name in names])
    for name in names:
        writer.write(name, encode_image(make_header(1, "cam"), np.zeros((8, 8, 3), np.uint8), "bgr8"), 1)
    writer.close()
    drives = find([tmp_path / "bag"])
    assert {drive.selection.image_topic for drive in drives} == set(names)
    assert len({drive.folder for drive in drives}) == len(names)
    for drive in drives:
        drive.folder.mkdir(parents=True)
        assert drive.folder.parent == tmp_path / "out"
        assert drive.name.isprintable()


def test_topic_names_without_a_slash_are_set_off_from_that_of_the_bag(tmp_path):
    """As programs that are no ROS write them."""
    writer = BagWriter(tmp_path / "bag", [("front", IMAGE), ("rear/image", IMAGE)])
    for name in ("front", "rear/image"):
        writer.write(name, encode_image(make_header(1, "cam"), np.zeros((8, 8, 3), np.uint8), "bgr8"), 1)
    writer.close()
    assert [drive.name for drive in find([tmp_path / "bag"])] == ["bag.front", "bag.rear.image"]


def test_both_transports_of_one_camera_can_be_named(tmp_path):
    drives = find([make(tmp_path / "bag")], "/cam/image", "/cam/image/compressed")
    assert [drive.name for drive in drives] == ["bag.cam.image", "bag.cam.image.compressed"]
    assert len({drive.folder for drive in drives}) == 2
