"""`icnet calibrate-ground`, and grids and scans of pictures and recordings."""

import csv

import cv2
import numpy as np
import pytest
import yaml
from drives import icnet, make_bag

from icnet_ros.share import share

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


def test_the_parameters_for_nav2_go_with_the_launch_file():
    values = yaml.safe_load(share("config", "nav2_scan.yaml").read_text())
    layer = values["local_costmap"]["local_costmap"]["ros__parameters"]["obstacle_layer"]
    source = layer[layer["observation_sources"]]
    launch = (share("config").parent / "launch" / "nav2_scan.launch.py").read_text()
    assert '"scan_range_max": ("8.0"' in launch
    assert source["obstacle_max_range"] < source["raytrace_max_range"] <= 8.0, "inf is no obstacle at the limit"
    assert source["min_obstacle_height"] < 0 < source["max_obstacle_height"]
    assert source["topic"] == values["collision_monitor"]["ros__parameters"]["camera"]["topic"] == "/icnet/scan"
