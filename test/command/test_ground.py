"""`icnet calibrate-ground`, and grids and scans of pictures and recordings."""

import csv

import cv2
import numpy as np
import pytest
import yaml
from drives import icnet, make_bag

from icnet_ros.ground.pose import pose_of
from icnet_ros.ground.recorded_pose import TRANSFORMS
from icnet_ros.share import share
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, message_type, serialise
from icnet_ros.wire.image import make_header

GROUND = ("--ground", "--camera-height", "1.2", "--camera-pitch", "20", "--fov", "70", "--grid", "4x4,0.1,0,-2")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    return path


def test_the_lines_of_the_ground_are_drawn_and_the_parameters_printed(photo, tmp_path, capsys):
    out = tmp_path / "lines.png"
    assert icnet("calibrate-ground", photo, "--height", "1.2", "--pitch", "20", "--fov", "70", "--out", out) == 0
    assert cv2.imread(str(out)).shape == (96, 128, 3)
    assert "-p camera_height:=1.2 -p camera_pitch:=20" in capsys.readouterr().out
    assert icnet("calibrate-ground", photo, "--fov", "70") == 2
    assert "--camera-height is needed" in capsys.readouterr().err
    assert icnet("calibrate-ground", photo, "--height", "1.2") == 2
    assert "name the calibration with --camera-info" in capsys.readouterr().err.replace("\n", " ")


def test_a_picture_has_grid_and_scan(photo, tmp_path, model, capsys):
    words = ("segment", photo, "-o", tmp_path / "out", "--model", model, "--engine", "torch")
    assert icnet(*words, *GROUND) == 0
    values = yaml.safe_load((tmp_path / "out" / "photo_grid.yaml").read_text())
    assert (values["resolution"], values["origin"], values["mode"]) == (0.1, [0, -2, 0], "scale")
    grid = cv2.imread(str(tmp_path / "out" / values["image"]), cv2.IMREAD_UNCHANGED)
    assert grid.shape == (40, 40, 4)
    assert (grid[..., 3] == 255).any()
    angles, ranges = list(csv.reader((tmp_path / "out" / "photo_scan.csv").open()))
    assert (angles[0], ranges[0], len(angles), len(ranges)) == ("angle", "range", 721, 721)
    assert icnet(*words, *GROUND[:1], *GROUND[3:]) == 2
    capsys.readouterr()
    assert icnet(*words, *GROUND[:3], "--camera-pitch", "-80", *GROUND[5:]) == 1
    assert "the camera sees no ground" in capsys.readouterr().err.replace("\n", " ")


def test_a_drive_has_grids_scans_and_a_video(tmp_path, engine, model):
    bag = make_bag(tmp_path / "bag", engine, frames=2)
    assert icnet("replay", bag, "--out", tmp_path / "out", "--model", model, "--engine", "torch", *GROUND) == 0
    folder = tmp_path / "out" / "ground"
    assert {path.name for path in folder.iterdir()} == {"grid", "scan.csv", "birdseye.webm"}
    assert len(list((folder / "grid").iterdir())) == 4
    rows = list(csv.reader((folder / "scan.csv").open()))
    assert rows[0][:2] == ["frame", "stamp_ns"]
    assert [row[0] for row in rows[1:]] == ["0", "1"]
    assert "ground/birdseye.webm" in (tmp_path / "out" / "report.html").read_text()


def add_transforms(bag, out, *chain):
    """A copy of the bag with these transforms (parent, child, rotation vector, translation) on /tf_static."""
    stamped = message_type("geometry_msgs/msg/TransformStamped")
    vector, quaternion = message_type("geometry_msgs/msg/Vector3"), message_type("geometry_msgs/msg/Quaternion")
    found = []
    for parent, child, turn, place in chain:
        half = np.linalg.norm(turn) / 2
        a, b, c = np.asarray(turn) / 2 * np.sinc(half / np.pi)
        transform = message_type("geometry_msgs/msg/Transform")(vector(*place), quaternion(a, b, c, np.cos(half)))
        found.append(stamped(make_header(0, parent), child, transform))
    with open_bag(bag) as source:
        images = next(topic for topic in source.topics() if topic.kind == COMPRESSED_IMAGE)
        writer = BagWriter(out, [(images.name, images.kind), ("/tf_static", TRANSFORMS)])
        writer.write("/tf_static", serialise(message_type(TRANSFORMS)(found), TRANSFORMS), 10**9)
        for message in source.messages(images.name):
            writer.write(images.name, bytes(message.data), message.recorded_ns)
    writer.close()
    return out


def test_the_pose_is_that_of_the_bag(tmp_path, engine, model, capsys):
    """On a mast that leans back, with a camera that looks down: as one that looks down by the difference."""
    plain = make_bag(tmp_path / "plain", engine, frames=1)
    about_y, _ = cv2.Rodrigues(pose_of(1.2, 20)[:3, :3])
    mast, _ = cv2.Rodrigues(np.array([0.0, np.radians(-5), 0.0]))
    seen, _ = cv2.Rodrigues(mast.T @ cv2.Rodrigues(about_y)[0])
    chain = [
        ("base_footprint", "base_link", (0, 0, 0), (0, 0, 0.3)),
        ("base_link", "mast", (0, np.radians(-5), 0), (0, 0, 0.2)),
        ("mast", "cam", seen.ravel(), mast.T @ (0, 0, 0.7)),
    ]
    bag = add_transforms(plain, tmp_path / "bag", *chain)
    words = ("--model", model, "--engine", "torch", *GROUND[:1], *GROUND[5:])
    assert icnet("replay", bag, "--out", tmp_path / "tf", *words, "--ground-frame", "base_footprint") == 0
    assert icnet("replay", bag, "--out", tmp_path / "given", "--model", model, "--engine", "torch", *GROUND) == 0
    grids = [cv2.imread(str(tmp_path / out / "ground" / "grid" / "000000.png"), -1) for out in ("tf", "given")]
    assert (grids[0][..., 3] == 255).any()
    assert np.mean(grids[0] == grids[1]) > 0.999
    capsys.readouterr()
    assert icnet("replay", bag, "--out", tmp_path / "none", *words, "--ground-frame", "map") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "does not connect the camera's frame 'cam' with 'map' (frames: base_footprint, base_link, cam, mast)" in said
    assert icnet("replay", plain, "--out", tmp_path / "none", *words) == 1
    assert "(frames: none): give --camera-height" in " ".join(capsys.readouterr().err.split())


def test_the_parameters_for_nav2_go_with_the_launch_file():
    values = yaml.safe_load(share("config", "nav2_scan.yaml").read_text())
    layer = values["local_costmap"]["local_costmap"]["ros__parameters"]["obstacle_layer"]
    source = layer[layer["observation_sources"]]
    launch = (share("config").parent / "launch" / "nav2_scan.launch.py").read_text()
    assert '"scan_range_max": ("8.0"' in launch
    assert source["obstacle_max_range"] < source["raytrace_max_range"] <= 8.0, "inf is no obstacle at the limit"
    assert source["min_obstacle_height"] < 0 < source["max_obstacle_height"]
    assert source["topic"] == values["collision_monitor"]["ros__parameters"]["camera"]["topic"] == "/icnet/scan"
