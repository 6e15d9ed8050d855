"""LiDAR clouds -> the same clouds with the label of the pixel that each point is projected to."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from icnet_ros.wire.cdr import POINT_CLOUD, Header, WireError, message_type, serialise_with
from icnet_ros.wire.image import UInt8

Matrix = npt.NDArray[np.float64]
FLOAT32, UINT32 = 7, 6  # sensor_msgs/PointField
ADDED = (("label", UINT32), ("confidence", FLOAT32))


class Field(Protocol):
    """sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int


class Cloud(Protocol):
    """sensor_msgs/PointCloud2. data: uint8, one axis."""

    header: Header
    height: int
    width: int
    fields: Sequence[Field]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: UInt8
    is_dense: bool


def parse_transform(text: str) -> Matrix:
    """(4, 4) of "x y z qx qy qz qw": metres and a quaternion. Raises ValueError."""
    try:
        x, y, z, *quaternion = (float(word) for word in text.split())
        a, b, c, w = quaternion
    except ValueError:
        raise ValueError(f"{text!r} is no transform: seven numbers, x y z qx qy qz qw") from None
    length = math.hypot(*quaternion)
    if not 0 < length < math.inf or not math.isfinite(x + y + z):
        raise ValueError(f"{text!r} is no transform: its numbers must be finite and the quaternion not 0")
    a, b, c, w = (value / length for value in quaternion)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (b * b + c * c), 2 * (a * b - c * w), 2 * (a * c + b * w)],
        [2 * (a * b + c * w), 1 - 2 * (a * a + c * c), 2 * (b * c - a * w)],
        [2 * (a * c - b * w), 2 * (b * c + a * w), 1 - 2 * (a * a + b * b)],
    ]
    matrix[:3, 3] = x, y, z
    return matrix


def label_cloud(cloud: Cloud, to_camera: Matrix, k: Matrix, labels: UInt8, confidence: UInt8, ignore: int) -> bytes:
    """Serialised PointCloud2: `cloud` with the fields label (uint32) and confidence (float32, 0..1) at the end.

    They replace fields of these names.

    cloud: PointCloud2 with float32 x, y, z. to_camera: (4, 4), from its frame to the camera's optical frame. k: (9,),
    the camera matrix at the size of the labels; distortion is not considered, so images should be rectified. labels,
    confidence: (H, W). Points that the camera does not see get the id `ignore` and confidence 0. Raises WireError.
    """
    rows = _rows(cloud)
    points = _xyz(cloud, rows)
    x, y, z = to_camera[:3, :3] @ points + to_camera[:3, 3:]
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = np.rint(k[0] * x / z + k[2]), np.rint(k[4] * y / z + k[5])
        seen = (z > 0) & (column >= 0) & (column < labels.shape[1]) & (row >= 0) & (row < labels.shape[0])
    places = row[seen].astype(np.intp), column[seen].astype(np.intp)
    label = np.full(points.shape[1], ignore, np.uint32)
    probability = np.zeros(points.shape[1], np.float32)
    label[seen] = labels[places]
    probability[seen] = confidence[places] / np.float32(255)
    step = int(cloud.point_step)
    data = np.empty((len(label), step + 8), np.uint8)
    data[:, :step] = rows.reshape(-1, step)
    data[:, step : step + 4] = label[:, None].view(np.uint8)
    data[:, step + 4 :] = probability[:, None].view(np.uint8)
    field = message_type("sensor_msgs/msg/PointField")
    added = [
        field(name=name, offset=step + 4 * number, datatype=kind, count=1) for number, (name, kind) in enumerate(ADDED)
    ]
    message = message_type(POINT_CLOUD)(
        header=cloud.header,
        height=cloud.height,
        width=cloud.width,
        fields=[*(entry for entry in cloud.fields if entry.name not in dict(ADDED)), *added],
        is_bigendian=False,
        point_step=step + 8,
        row_step=(step + 8) * cloud.width,
        data=np.empty(0, np.uint8),
        is_dense=cloud.is_dense,
    )
    return serialise_with(message, POINT_CLOUD, data, behind=1)


def _rows(cloud: Cloud) -> UInt8:
    """Bytes (height, width * point_step) of the points, without padding at the end of rows."""
    size = cloud.width * cloud.point_step
    if cloud.is_bigendian:
        raise WireError("a cloud with big-endian numbers cannot be labelled")
    if cloud.row_step < size or len(cloud.data) < cloud.row_step * cloud.height:
        raise WireError(
            f"{len(cloud.data)} bytes for {cloud.height} rows of {cloud.width} points of {cloud.point_step} bytes"
        )
    data = np.asarray(cloud.data, np.uint8)[: cloud.row_step * cloud.height]
    return np.ascontiguousarray(data.reshape(cloud.height, cloud.row_step)[:, :size])


def _xyz(cloud: Cloud, data: UInt8) -> Matrix:
    """Coordinates (3, points); data: of `_rows`."""
    fields = {entry.name: entry for entry in cloud.fields}
    columns = []
    for name in "xyz":
        entry = fields.get(name)
        if entry is None or entry.datatype != FLOAT32 or entry.offset + 4 > cloud.point_step:
            raise WireError(f"the cloud has no float32 field {name!r}")
        points = data.reshape(-1, cloud.point_step)
        values = np.ascontiguousarray(points[:, entry.offset : entry.offset + 4]).view("<f4")[:, 0]
        columns.append(values.astype(np.float64))
    return np.array(columns)
