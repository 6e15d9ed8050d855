"""~/grid and ~/scan of a rendered scene, received by independent typed subscribers."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from messages import image
from nav_msgs.msg import OccupancyGrid
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from scene import BOX, COSTS, GRASS, ROAD, SKY, WATER, Scene, boxes_of, cells_off, reference_grid, reference_scan
from sensor_msgs.msg import CameraInfo, Image, LaserScan

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.file import save, untrained

HERE = Path(__file__).parent
HEIGHT, WIDTH, FOCAL = 240, 320, 230.0
CAMERA_HEIGHT, PITCH, AHEAD = 1.2, 14.0, 0.3
COLOURS = {ROAD: (128, 64, 128), GRASS: (0, 200, 0), BOX: (200, 0, 0), SKY: (70, 130, 255), WATER: (0, 0, 90)}
TABLE = ClassTable("scene", ("way", "grass", "box", "sky above", "water"), tuple(COLOURS.values()))
GROUPS = """
name: scene
groups:
  - {name: free, colour: [1, 2, 3], classes: [way], cost: 0}
  - {name: soft, colour: [2, 2, 3], classes: [grass], cost: 40}
  - {name: wet, colour: [3, 2, 3], classes: [water], cost: 100}
rest: {name: standing, colour: [4, 5, 6], cost: 100, upright: true}
unlabelled: [sky above]
"""
SCENE = Scene(boxes_of((2.5, 2.8, -0.7, -0.3, 0.9), (2.0, 3.6, 1.2, 1.4, 1.5)), grass=0.6, water=(2.6, 3.4, -1.6, -0.9))


def camera_axes(pitch):
    """Rotation (3, 3) from the optical frame to the robot's, written down by hand."""
    sine, cosine = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
    right, down, ahead = (0.0, -1.0, 0.0), (-sine, 0.0, -cosine), (cosine, 0.0, -sine)
    return np.array([right, down, ahead]).T


def quaternion(rotation):
    w = math.sqrt(max(0.0, 1 + np.trace(rotation))) / 2
    return [
        float((rotation[2, 1] - rotation[1, 2]) / (4 * w)),
        float((rotation[0, 2] - rotation[2, 0]) / (4 * w)),
        float((rotation[1, 0] - rotation[0, 1]) / (4 * w)),
        w,
    ]


def seen(points):
    x, y, z = ((points - ORIGIN) @ camera_axes(PITCH)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = FOCAL * x / z, FOCAL * y / z
    return (z > 0) & (np.abs(u) < WIDTH / 2) & (np.abs(v) < HEIGHT / 2)


ORIGIN = np.array([AHEAD, 0.0, CAMERA_HEIGHT])


def picture():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (columns - (WIDTH - 1) / 2) / FOCAL, (rows - (HEIGHT - 1) / 2) / FOCAL
    rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3) @ camera_axes(PITCH).T
    labels = SCENE.render(ORIGIN, rays).reshape(HEIGHT, WIDTH)
    return np.array(list(COLOURS.values()), np.uint8)[labels][..., ::-1]


def camera_info(focal=FOCAL):
    """Of a sensor twice as large, of which the image is the middle, binned by 2."""
    info = CameraInfo(height=4 * HEIGHT, width=4 * WIDTH, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = [2 * focal, 0.0, 2 * (WIDTH - 1) / 2 + WIDTH, 0.0, 2 * focal, 2 * (HEIGHT - 1) / 2 + HEIGHT, 0.0, 0.0, 1.0]
    info.k = info.k if focal else [0.0] * 9
    info.binning_x = info.binning_y = 2
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = WIDTH, HEIGHT, 2 * WIDTH, 2 * HEIGHT
    info.header.frame_id = "front"
    return info


def test_what_is_missing_is_explained_and_then_grid_and_scan_are_those_of_a_ray_caster(graph, tmp_path):
    checkpoint = untrained(TABLE)
    save(tmp_path / "net.safetensors", replace(checkpoint.spec, trained=True), checkpoint.weights)
    (tmp_path / "costs.yaml").write_text(GROUPS)
    paths = (str(HERE / "stand_ins"), str(HERE.parent / "examples"), os.environ.get("PYTHONPATH", ""))
    transforms = tmp_path / "tf.json"
    graph.environment |= {"PYTHONPATH": os.pathsep.join(paths), "TF_FILE": str(transforms)}
    parameters = {
        "engine": "colours", "model": tmp_path / "net.safetensors", "ground_costs": tmp_path / "costs.yaml",
        "grid_size_x": 6.0, "grid_size_y": 6.0, "grid_origin_x": -1.0, "grid_origin_y": -3.0, "grid_resolution": 0.1,
        "scan_beams": 360, "scan_range_max": 4.0,
    }  # fmt: skip
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    graph.start("--ros-args", *words, module="icnet_example", fresh=True)  # tf2_ros is the stand-in
    labels, _ = graph.listen(Image, "/icnet/labels")
    # As Nav2 subscribes: StaticLayer to a latched map, ObstacleLayer and collision_monitor to sensor data.
    grids, _ = graph.listen(
        OccupancyGrid, "/icnet/grid", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    scans, _ = graph.listen(LaserScan, "/icnet/scan", qos_profile_sensor_data)
    statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
    camera = graph.camera()
    info_out = graph.node.create_publisher(CameraInfo, "/camera_info", 10)
    bgr, info = picture(), None

    def again():
        if info is not None:
            info_out.publish(info)
        camera.publish(image(bgr=bgr))

    def said(words):
        assert not grids
        assert not scans
        return statuses and words in statuses[-1].status[0].message

    def wait_for(words):
        statuses.clear()
        graph.spin_until(lambda: said(words), again=again)

    def transform(pitch, height=CAMERA_HEIGHT):
        values = {"target": "base_link", "source": "front"}
        values["transform"] = [AHEAD, 0.0, height, *quaternion(camera_axes(pitch))]
        transforms.write_text(json.dumps(values))

    wait_for("no ground: no CameraInfo of the camera was received")
    info = camera_info(0.0)
    wait_for("no ground: the camera is not calibrated (K and P of its CameraInfo are 0)")
    info = camera_info()
    wait_for('no transform from front to base_link at the image\'s stamp: "base_link" passed')
    assert "publish the transform on /tf_static, or set camera_height" in statuses[-1].status[0].message
    transform(-60)
    wait_for("the camera sees no ground within")
    transform(PITCH, -0.2)
    wait_for("the camera is -0.20 m above the ground")
    transform(PITCH)
    graph.spin_until(lambda: grids and scans, again=again)
    assert len(labels) > 5, "labels went on"
    grid, scan = grids[-1], scans[-1]
    stamp = labels[-1].header.stamp
    for message in (grid, scan):
        assert (message.header.frame_id, message.header.stamp.sec) == ("base_link", stamp.sec)
    assert (grid.info.width, grid.info.height) == (60, 60)
    assert grid.info.resolution == pytest.approx(0.1)
    place, turn = grid.info.origin.position, grid.info.origin.orientation
    assert ((place.x, place.y, place.z), turn.w) == ((-1.0, -3.0, 0.0), 1.0)
    cells = np.array(grid.data, np.int8).reshape(60, 60)
    reference = reference_grid(SCENE, ORIGIN, seen, 0.1, 60, 60, (-1.0, -3.0))
    x, y = np.meshgrid(-0.95 + 0.1 * np.arange(60), -2.95 + 0.1 * np.arange(60))
    exact = (x - AHEAD) ** 2 + y**2 < 0.1 * FOCAL * CAMERA_HEIGHT  # where a row of pixels spans less than a cell
    assert ((cells_off(cells, reference) | cells_off(reference, cells)) & exact).sum() == 0
    assert (exact & (cells >= 0)).sum() > 300
    assert {-1, COSTS[ROAD], COSTS[GRASS], COSTS[BOX]} <= set(cells.reshape(-1).tolist())
    ranges = np.array(scan.ranges)
    assert len(ranges) == 360
    assert scan.angle_max - scan.angle_min == pytest.approx(359 * scan.angle_increment, abs=1e-4)
    assert (scan.range_min, scan.range_max) == (0.0, 4.0)
    expected = reference_scan(SCENE, ORIGIN, seen, scan.angle_min, scan.angle_increment, 360, 4.0)
    finite = np.flatnonzero(np.isfinite(ranges))
    assert len(finite) > 30
    for beam in finite:
        reach = math.ceil(0.1 / ranges[beam] / scan.angle_increment)
        nearest = np.abs(expected[beam - reach : beam + reach + 1] - ranges[beam]).min()
        assert nearest <= max(0.02 * ranges[beam], 0.1), (beam, ranges[beam])
    assert np.isposinf(ranges).any(), "free to the limit"
    assert np.isnan(ranges[:100]).all(), "behind the robot"
