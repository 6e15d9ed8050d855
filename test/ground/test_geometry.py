"""Grid and scan of rendered scenes, compared with a slow ray caster that knows nothing of the package."""

import math

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from scene import BOX, COSTS, Scene, boxes_of, cells_off, reference_grid, reference_scan

from icnet_ros.ground.camera import GroundCamera
from icnet_ros.ground.costs import ClassCosts
from icnet_ros.ground.pose import pose_of
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.ground.view import GroundSettings, GroundView

CLASSES = ClassCosts(tuple(COSTS.values()), tuple(label == BOX for label in COSTS))
SCENE = Scene(
    boxes_of(
        (4.0, 4.6, -0.5, 0.1, 1.0),  # ahead
        (3.0, 7.0, 2.2, 2.5, 2.0),  # a wall along the left
        (6.0, 6.05, -2.0, -1.95, 3.0),  # a pole
        (7.0, 8.0, -1.0, 1.0, 2.0),  # partly behind the first
        (2.6, 2.9, -1.6, -1.2, 0.25),  # low: the ground is seen behind it
    ),
    grass=1.5,
    water=(5.0, 6.5, -4.0, -2.6),
)


def own_rays(pose, height, width, focal):
    """Rays in the ground frame of all pixels of a camera without distortion, by hand."""
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    return np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3) @ pose[:3, :3].T


def in_picture(pose, height, width, focal):
    def seen(points):
        x, y, z = ((points - pose[:3, 3]) @ pose[:3, :3]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = focal * x / z, focal * y / z
        return (z > 0) & (np.abs(u) < width / 2) & (np.abs(v) < height / 2)

    return seen


def look(scene, pose, grid, scan, height=720, width=1280, focal=900.0):
    camera = GroundCamera(height, width, (focal, focal), ((width - 1) / 2, (height - 1) / 2))
    view = GroundView(camera, pose, GroundSettings(grid, scan, CLASSES))
    labels = scene.render(pose[:3, 3], own_rays(pose, height, width, focal)).reshape(height, width)
    view.look(labels)
    return view, in_picture(pose, height, width, focal)


@pytest.mark.parametrize(
    "pose",
    [
        pose_of(1.5, pitch=8),
        pose_of(1.5, pitch=14, roll=-6, yaw=12, x=0.4, y=-0.3),
        pose_of(1.2, pitch=25, roll=3, x=-0.5),
    ],
    ids=["straight", "turned", "steep"],
)
def test_grid_and_scan_are_those_of_a_ray_caster(pose):
    grid, scan = GridShape(0.1, 120, 120, -2.0, -6.0), ScanShape(beams=720, range_max=9.0)
    view, seen = look(SCENE, pose, grid, scan)
    cells = view.cells()
    origin = pose[:3, 3]
    reference = reference_grid(SCENE, origin, seen, grid.resolution, grid.columns, grid.rows, (grid.x, grid.y))
    x = grid.x + grid.resolution * (np.arange(grid.columns) + 0.5)
    y = grid.y + grid.resolution * (np.arange(grid.rows) + 0.5)
    near = np.hypot(*(np.stack(np.meshgrid(x, y)) - origin[:2, None, None])) < 10
    assert (cells[near] >= 0).mean() > 0.2
    assert (cells_off(cells, reference) & near).sum() == 0
    assert (cells_off(reference, cells) & near).sum() == 0, "nothing of the reference is missing"
    assert (cells == reference)[near].mean() > 0.97
    ranges = view.ranges()
    expected = reference_scan(SCENE, origin, seen, scan.angle_min, scan.step, scan.beams, scan.range_max)
    finite = np.flatnonzero(np.isfinite(ranges))
    assert len(finite) > 60
    for beam in finite:
        reach = max(1, math.ceil(grid.resolution / ranges[beam] / scan.step))  # beams that a cell is wide
        others = expected[max(0, beam - reach) : beam + reach + 1]
        assert np.abs(others - ranges[beam]).min() <= max(0.02 * ranges[beam], grid.resolution), (beam, ranges[beam])
    for beam in np.flatnonzero(np.isfinite(expected)):
        reach = max(1, math.ceil(grid.resolution / expected[beam] / scan.step))
        assert np.isfinite(ranges[max(0, beam - reach) : beam + reach + 1]).any(), (beam, expected[beam])


def test_cells_of_5_cm_are_exact_as_far_as_pixels_are_finer():
    pose, grid = pose_of(1.5, pitch=12), GridShape(0.05, 160, 160, 0.0, -4.0)
    view, seen = look(SCENE, pose, grid, ScanShape(range_max=8.0))
    reference = reference_grid(SCENE, pose[:3, 3], seen, 0.05, 160, 160, (0.0, -4.0))
    off = cells_off(view.cells(), reference) | cells_off(reference, view.cells())
    assert off.sum() == 0, np.argwhere(off)[:5]


@settings(
    max_examples=12, derandomize=True, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # shrinking takes minutes
@given(
    height=st.floats(0.4, 2.5), pitch=st.floats(5, 40), roll=st.floats(-12, 12), yaw=st.floats(-180, 180),
    x=st.floats(-1, 1), distance=st.floats(1.5, 4), bearing=st.floats(-15, 15), side=st.floats(0.3, 1.5),
)  # fmt: skip
@example(1.673489640058838, 38.60952958985494, 0.12, 27.815560826203807, 0.0, 1.516507863257494, 4.078211860166146, 1.2)
def test_a_box_anywhere_is_where_it_is(height, pitch, roll, yaw, x, distance, bearing, side):
    pose = pose_of(height, pitch, roll, yaw, x)
    angle = math.radians(yaw + bearing)
    centre = x + distance * math.cos(angle), distance * math.sin(angle)
    box = boxes_of(
        (centre[0] - side / 2, centre[0] + side / 2, centre[1] - side / 2, centre[1] + side / 2, 0.8 * height)
    )
    scene, grid = Scene(box), GridShape(0.1, 100, 100, -5.0, -5.0)
    view, seen = look(scene, pose, grid, ScanShape(range_max=5.0), 240, 320, 260.0)
    reference = reference_grid(scene, pose[:3, 3], seen, 0.1, 100, 100, (-5.0, -5.0), per_side=6)
    xy = -4.95 + 0.1 * np.arange(100)
    far = np.hypot(*(np.stack(np.meshgrid(xy, xy)) - pose[:2, 3, None, None]))
    exact = far**2 / (260 * height) < 0.1  # where a row of pixels spans less than a cell
    # Slivers of ground between the box and the edge of the picture are narrower than a cell: free or unknown by a hair.
    assert (cells_off(view.cells(), reference) & exact).sum() <= 2
