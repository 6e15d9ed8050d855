"""The rules of cells and beams, on small label maps; lenses; files."""

import types

import cv2
import numpy as np
import pytest

from icnet_ros.ground.camera import GroundCamera, camera_of
from icnet_ros.ground.costs import ClassCosts
from icnet_ros.ground.errors import GroundError
from icnet_ros.ground.files import map_picture, write_map
from icnet_ros.ground.lines import draw_ground, metres_per_row
from icnet_ros.ground.pose import pitch_of, pose_of
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.ground.view import GroundSettings, GroundView
from icnet_ros.wire.calibration_file import Calibration, read_calibration
from icnet_ros.wire.cdr import WireError

ROAD, CAUTION, STANDING, SKY = range(4)
COSTS = ClassCosts((0, 50, 100, -1), (False, False, True, False))
HEIGHT, WIDTH, FOCAL = 120, 160, 120.0
CAMERA = GroundCamera(HEIGHT, WIDTH, (FOCAL, FOCAL), (79.5, 59.5))
POSE = pose_of(1.0, pitch=20)
GRID, SCAN = GridShape(0.1, 60, 60, 0.0, -3.0), ScanShape(-1.0, 1.0, 81, range_max=4.0)


def view(**changes):
    values = {"grid": GRID, "scan": SCAN, "costs": COSTS, **changes}
    return GroundView(CAMERA, POSE, GroundSettings(**values))


def ahead(cells, x):
    """Cost of the cell at x, 0.05."""
    return cells[30, int(x / 0.1)]


def row_of(x):
    """Row of the picture that shows the ground x metres ahead."""
    point = np.array([[x, 0.0, 0.0]])
    return int(np.rint(CAMERA.project((point - POSE[:3, 3]) @ POSE[:3, :3])[1][0]))


@pytest.fixture
def road():
    return np.full((HEIGHT, WIDTH), ROAD, np.uint8)


def test_free_ground_is_free_and_what_is_not_in_view_unknown(road):
    found = view()
    found.look(road)
    assert ahead(found.cells(), 2.5) == 0
    assert found.cells()[0, 0] == ahead(found.cells(), 0.2) == -1
    assert np.isposinf(found.ranges()[40])


def test_what_stands_counts_at_its_foot_and_hides_what_is_behind(road):
    road[: row_of(2.5), 70:90] = STANDING
    found = view()
    found.look(road)
    column = [ahead(found.cells(), x / 10) for x in range(22, 40)]
    assert column.count(100) in (1, 2)
    first = column.index(100)
    assert set(column[:first]) == {0}
    assert set(column[first + 2 :]) == {-1}
    assert found.ranges()[40] == pytest.approx(2.5, abs=0.1)


def test_ground_seen_over_something_low_counts_again(road):
    road[row_of(2.6) : row_of(2.0), 60:100] = STANDING
    found = view()
    found.look(road)
    cells = found.cells()
    assert (ahead(cells, 2.3), ahead(cells, 3.5)) == (-1, 0)
    assert 100 in (ahead(cells, 1.9), ahead(cells, 2.0), ahead(cells, 2.1))


def test_what_stands_above_something_that_stands_has_no_foot(road):
    """Two costs: the second begins where the first ends in the picture."""
    costs = ClassCosts((0, 70, 100, -1), (False, True, True, False))
    road[: row_of(2.0)] = CAUTION
    road[: row_of(3.0)] = STANDING
    found = view(costs=costs)
    found.look(road)
    assert 100 not in found.cells()
    assert 70 in found.cells()


def test_what_begins_at_the_lower_edge_or_at_the_mask_counts_there(road):
    road[:, 70:90] = STANDING
    found = view()
    found.look(road)
    edge = found.ranges()[40]
    assert 0.9 < edge < 1.4
    road[100:] = 255
    found.look(road)
    assert edge < found.ranges()[40] < 1.8


def test_low_confidence_is_unknown_and_no_threshold_needs_none(road):
    confidence = np.full_like(road, 200)
    confidence[row_of(3.0) : row_of(2.5)] = 100
    found = view(confidence=0.6)
    found.look(road, confidence)
    cells = found.cells()
    assert (ahead(cells, 2.2), ahead(cells, 2.7), ahead(cells, 3.4)) == (0, -1, 0)
    assert np.isnan(found.ranges()[40]), "half a metre is not known"


def test_an_obstacle_of_which_nothing_is_known_hides_but_does_not_count(road):
    costs = ClassCosts((0, 50, -1, -1), (False, False, True, False))
    road[: row_of(2.5)] = STANDING
    found = view(costs=costs)
    found.look(road)
    assert set(np.unique(found.cells())) == {-1, 0}
    assert np.isnan(found.ranges()[40])


def test_most_samples_of_a_cell_decide(road):
    road[:, 80:] = CAUTION
    found = view()
    found.look(road)
    assert set(np.unique(found.cells())) == {-1, 0, 50}
    cells = found.cells()
    assert (cells[32, 25], cells[27, 25]) == (0, 50)


def test_flat_obstacles_count_in_the_scan_and_nearer_ones_are_minus_infinity(road):
    road[row_of(3.0) : row_of(2.0)] = CAUTION
    found = view(scan=ScanShape(-1.0, 1.0, 81, range_max=4.0, obstacle_cost=50))
    found.look(road)
    assert found.ranges()[40] == pytest.approx(2.0, abs=0.1)
    found = view(scan=ScanShape(-1.0, 1.0, 81, range_min=2.5, range_max=4.0, obstacle_cost=50))
    found.look(road)
    assert np.isneginf(found.ranges()[40])


def test_a_horizon_inside_the_road_shows(road):
    found = view()
    road[: row_of(30.0)] = SKY
    below = found.shares(road)
    assert below.above < 0.02
    assert below.ground > 0.8
    road[:] = ROAD
    assert found.shares(road).above > 0.1


@pytest.mark.parametrize(
    ("pose", "problem"),
    [
        (pose_of(1.0, pitch=-80), "the camera sees no ground within"),
        (pose_of(-0.3, pitch=20), "the camera is -0.30 m above the ground"),
    ],
)
def test_poses_without_ground_are_refused(pose, problem):
    with pytest.raises(GroundError, match=problem):
        GroundView(CAMERA, pose, GroundSettings(GRID, SCAN, COSTS))


def test_too_fine_a_grid_is_refused():
    with pytest.raises(GroundError, match="choose a coarser grid_resolution"):
        GroundView(CAMERA, POSE, GroundSettings(GridShape(0.005, 20, 20), ScanShape(range_max=60.0), COSTS))


LENSES = {
    "plumb_bob": [-0.28, 0.09, 0.0005, -0.0003, -0.01],
    "rational_polynomial": [0.2, -0.1, 0.001, 0.0, 0.02, 0.4, -0.05, 0.01],
    "equidistant": [-0.02, 0.01, -0.004, 0.001],
}


def lens(model, **changes):
    k = [400.0, 0.0, 330.0, 0.0, 410.0, 235.0, 0.0, 0.0, 1.0]
    return Calibration(640, 480, k, LENSES[model], model, **changes)


@pytest.mark.parametrize("model", LENSES)
def test_lenses_are_those_of_opencv(model):
    camera = camera_of(lens(model), (480, 640), (480, 640), rectified=False)
    points = np.array([[0.3, -0.2, 1.0], [-0.4, 0.35, 1.2], [0.0, 0.5, 2.0]])
    function = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    expected, _ = function(points[:, None], np.zeros(3), np.zeros(3), camera.matrix, np.array(LENSES[model]))
    u, v = camera.project(points)
    assert np.allclose(np.stack([u, v], -1), np.reshape(expected, (-1, 2)))
    rays = camera.rays(u, v)
    assert np.allclose(rays[:, :2] / rays[:, 2:], points[:, :2] / points[:, 2:], atol=1e-4)
    assert np.isnan(camera.project(np.array([[0.0, 0.0, -1.0]]))[0])


def test_what_the_polynomial_folds_back_is_not_in_the_picture():
    strong = Calibration(640, 480, lens("plumb_bob").k, [-0.4, 0.0, 0.0, 0.0, 0.0], "plumb_bob")
    camera = camera_of(strong, (480, 640), (480, 640), rectified=False)
    assert np.isnan(camera.project(np.array([[1.5, 0.0, 1.0]]))[0]), "r (1 - 0.4 r^2) falls from r = 0.91 on"
    assert np.isfinite(camera.project(np.array([[0.8, 0.0, 1.0]]))[0])


def test_rectified_images_have_p_and_raw_ones_k_and_r():
    turned = cv2.Rodrigues(np.array([0.0, 0.02, 0.0]))[0]
    p = [350.0, 0.0, 320.0, 0.0, 0.0, 350.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = lens("plumb_bob", r=turned.reshape(-1).tolist(), p=p)
    assert camera_of(info, (480, 640), (480, 640), rectified=True).focal == (350.0, 350.0)
    raw = camera_of(info, (480, 640), (240, 320), rectified=False)
    assert (raw.focal, raw.centre) == ((200.0, 205.0), (165.0, 117.5))
    point = np.array([[0.1, 0.2, 1.0]])
    without = camera_of(lens("plumb_bob", p=p), (480, 640), (240, 320), rectified=False)
    assert np.allclose(raw.project(point), without.project(point @ turned))


def test_region_and_binning():
    region = types.SimpleNamespace(x_offset=100, y_offset=50, width=320, height=240)
    info = Calibration(
        640, 480, [400.0, 0.0, 330.0, 0.0, 410.0, 235.0, 0.0, 0.0, 1.0], binning_x=2, binning_y=2, roi=region
    )
    camera = camera_of(info, (120, 160), (120, 160), rectified=False)
    assert (camera.focal, camera.centre) == ((200.0, 205.0), (115.0, 92.5))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"k": [0.0] * 9}, "the camera is not calibrated"),
        (
            {"distortion_model": "thin_prism"},
            "the distortion model 'thin_prism' of the CameraInfo is none of plumb_bob",
        ),
        ({"d": [0.1, 0.2]}, "D of the CameraInfo has 2 numbers, plumb_bob takes 4 or 5"),
    ],
)
def test_calibrations_that_cannot_be_used_are_refused(changes, problem):
    values = {**vars(lens("plumb_bob")), **changes}
    with pytest.raises(GroundError, match=problem):
        camera_of(Calibration(**values), (480, 640), (480, 640), rectified=False)


def test_map_server_reads_the_costs_that_were_written(tmp_path):
    """Its mode scale, from its documentation: transparent is unknown, else occupancy between the thresholds, 0..100."""
    cells = np.full((3, 40), -1, np.int8)
    cells.reshape(-1)[:101] = np.arange(101)
    write_map(tmp_path / "map", cells, GridShape(0.05, 40, 3, -1.0, 2.0))
    assert (tmp_path / "map.yaml").read_text().splitlines()[:4] == [
        "image: map.png", "mode: scale", "resolution: 0.05", "origin: [-1, 2, 0.0]",
    ]  # fmt: skip
    picture = cv2.imread(str(tmp_path / "map.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(picture, map_picture(cells))
    occupancy = 1 - picture[..., :3].mean(-1) / 255
    read = np.where(picture[..., 3] < 255, -1, np.rint(100 * occupancy))[::-1]
    assert np.array_equal(read, cells)


def test_the_lines_lie_where_the_ground_is():
    picture = draw_ground(np.zeros((HEIGHT, WIDTH, 3), np.uint8), CAMERA, POSE)
    assert picture[row_of(2.0), 40].any()
    assert picture[row_of(1e5), 10, 2] > 100, "the horizon is red"
    assert not picture[row_of(2.5), 40].any()
    span = metres_per_row(CAMERA, pose_of(1.0), 2.0)
    assert span == pytest.approx(2.0**2 / (1.0 * FOCAL), rel=1e-3)
    assert pitch_of(POSE) == pytest.approx(20)


def test_calibration_files_of_camera_calibration(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(
        "image_width: 640\nimage_height: 480\ncamera_name: front\n"
        "camera_matrix: {rows: 3, cols: 3, data: [400, 0, 320, 0, 400, 240, 0, 0, 1]}\n"
        "distortion_model: plumb_bob\ndistortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n"
    )
    found = read_calibration(path)
    assert (found.width, found.height, found.k[0], found.d[0]) == (640, 480, 400.0, 0.1)
    path.write_text("image_width: 640\n")
    with pytest.raises(WireError, match="no calibration file"):
        read_calibration(path)
    path.write_text("image_width: 1\nimage_height: 1\ncamera_matrix: {data: [1, 2]}\n")
    with pytest.raises(WireError, match="camera_matrix has 2 numbers, it takes 9"):
        read_calibration(path)
