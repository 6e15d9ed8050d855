"""Transforms, and clouds that cannot be labelled."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icnet_ros.wire.cdr import POINT_CLOUD, WireError, deserialise, typestore
from icnet_ros.wire.image import make_header
from icnet_ros.wire.lidar import label_cloud, parse_transform

K = np.array([10.0, 0, 4, 0, 10, 3, 0, 0, 1])
LABELS = np.arange(56, dtype=np.uint8).reshape(7, 8)


def cloud(points, *, height=1, padding=0, **changes):
    field = typestore().types["sensor_msgs/msg/PointField"]
    fields = [field(name=name, offset=4 + 4 * k, datatype=7, count=1) for k, name in enumerate("xyz")]
    width = len(points) // height
    rows = np.zeros((len(points), 4), np.float32)
    rows[:, 1:] = points
    data = np.zeros((height, 16 * width + padding), np.uint8)
    data[:, : 16 * width] = rows.view(np.uint8).reshape(height, -1)
    values = {
        "header": make_header(5, "lidar"),
        "height": height,
        "width": width,
        "fields": fields,
        "is_dense": True,
        "is_bigendian": False,
        "point_step": 16,
        "row_step": data.shape[1],
        "data": data.reshape(-1),
    }
    return SimpleNamespace(**(values | changes))


def labelled(message, matrix=None):
    data = label_cloud(message, np.eye(4) if matrix is None else matrix, K, LABELS, LABELS, 255)
    found = deserialise(data, POINT_CLOUD)
    return found.data.reshape(-1, found.point_step)[:, -8:-4].copy().view(np.uint32)[:, 0].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_transform_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=7)
    matrix = parse_transform(" ".join(map(str, numbers)))
    assert np.allclose(matrix[:3, :3], Rotation.from_quat(numbers[3:]).as_matrix())
    assert np.allclose(matrix[:3, 3], numbers[:3])


@pytest.mark.parametrize(
    "text", ["", "1 2 3", "1 2 3 4 5 6 7 8", "a b c d e f g", "0 0 0 0 0 0 0", "nan 0 0 0 0 0 1", "0 0 0 0 0 0 inf"]
)
def test_what_is_no_transform(text):
    with pytest.raises(ValueError, match="is no transform"):
        parse_transform(text)


def test_points_get_the_label_of_their_pixel():
    points = [(0, 0, 1), (0.1, 0, 1), (0, 0.2, 2), (0, 0, -1), (9, 0, 1), (np.nan, 0, 1), (0, 0, 0)]
    assert labelled(cloud(points)) == [LABELS[3, 4], LABELS[3, 5], LABELS[4, 4], 255, 255, 255, 255]
    turned = parse_transform("0 0 1 0 0 0 1")
    assert labelled(cloud([(0, 0, 0), (0, 0, -2)]), turned) == [LABELS[3, 4], 255]


def test_fields_of_a_cloud_that_was_labelled_before_are_replaced():
    message = cloud([(0, 0, 1)])
    field = type(message.fields[0])
    message.fields = [*message.fields[:3], field(name="label", offset=12, datatype=6, count=1)]
    found = deserialise(label_cloud(message, np.eye(4), K, LABELS, LABELS, 255), POINT_CLOUD)
    assert [(entry.name, entry.offset) for entry in found.fields][3:] == [("label", 16), ("confidence", 20)]
    assert labelled(message) == [LABELS[3, 4]]


def test_an_empty_cloud_stays_empty():
    assert len(labelled(cloud(np.zeros((0, 3), np.float32)))) == 0


def test_padded_rows_of_an_organised_cloud():
    points = [(0, 0, 1), (0.1, 0, 1), (0, 0.1, 1), (9, 9, 1)]
    assert labelled(cloud(points, height=2, padding=12)) == labelled(cloud(points))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"is_bigendian": True}, "big-endian"),
        ({"fields": []}, "no float32 field 'x'"),
        ({"point_step": 14}, "no float32 field 'z'"),
        ({"data": np.zeros(30, np.uint8)}, "30 bytes for 1 rows of 4 points"),
        ({"row_step": 8}, "64 bytes for 1 rows"),
    ],
)
def test_a_cloud_that_cannot_be_labelled_is_explained(changes, problem):
    with pytest.raises(WireError, match=problem):
        labelled(cloud([(0, 0, 1)] * 4, **changes))
