"""Depth images -> coloured, labelled sensor_msgs/PointCloud2."""

import sys

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from icnet_ros.wire.arrays import kernel_input
from icnet_ros.wire.cdr import IMAGE, POINT_CLOUD, Header, WireError, deserialise, message_type, serialise_with
from icnet_ros.wire.decoders.pixels import rows_of
from icnet_ros.wire.image import UInt8, check_size

FIELDS = (("x", 7), ("y", 7), ("z", 7), ("rgb", 7), ("label", 6), ("confidence", 7))  # 6: uint32, 7: float32
STEP = 4 * len(FIELDS)  # bytes
Depth = npt.NDArray[np.float32]


def decode_depth(data: bytes | memoryview) -> tuple[Header, Depth]:
    """Header and metres float32 (H, W), NaN where there is none, of a serialised depth Image.

    16UC1 and mono16 are millimetres, 0 for none; 32FC1 is metres (REP 118). Raises WireError.
    """
    message = deserialise(data, IMAGE)
    check_size(message.height, message.width)
    kinds = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
    if message.encoding not in kinds:
        raise WireError(f"a depth image is 16UC1 or 32FC1, this one is {message.encoding!r}")
    values = rows_of(message, np.dtype(kinds[message.encoding]).newbyteorder(">" if message.is_bigendian else "<"), 1)
    metres: Depth = values.astype(np.float32)
    if values.dtype.kind == "u":
        metres *= np.float32(0.001)
    metres[~(metres > 0) | ~np.isfinite(metres)] = np.nan
    return message.header, metres


def encode_cloud(
    header: Header, depth: Depth, k: npt.NDArray[np.float64], rgb: UInt8, labels: UInt8, confidence: UInt8
) -> bytes:
    """Serialised organised PointCloud2 with x y z rgb label confidence, of arrays (H, W).

    depth: metres, NaN for none; those points have NaN coordinates. k: (9,), the camera matrix at this size, row by
    row. rgb: uint8 (H, W, 3). label: uint32. confidence: float32, 0..1.
    """
    height, width = depth.shape
    points = np.empty((height, width, len(FIELDS)), np.float32)
    pictures = (kernel_input(picture, np.uint8) for picture in (rgb, labels, confidence))
    _fill(kernel_input(depth, np.float32), kernel_input(k, np.float64), *pictures, points, points.view(np.uint32))
    field = message_type("sensor_msgs/msg/PointField")
    message = message_type(POINT_CLOUD)(
        header=header,
        height=height,
        width=width,
        fields=[field(name=name, offset=4 * k, datatype=kind, count=1) for k, (name, kind) in enumerate(FIELDS)],
        is_bigendian=sys.byteorder == "big",
        point_step=STEP,
        row_step=STEP * width,
        data=np.empty(0, np.uint8),
        is_dense=False,
    )
    return serialise_with(message, POINT_CLOUD, points, behind=1)


@njit(cache=True, parallel=True, nogil=True)
def _fill(  # pragma: no cover
    depth: Depth,
    k: npt.NDArray[np.float64],
    rgb: UInt8,
    labels: UInt8,
    confidence: UInt8,
    points: Depth,
    bits: npt.NDArray[np.uint32],
) -> None:  # pragma: no cover
    height, width = depth.shape
    for v in prange(height):
        y = (v - k[5]) / k[4]
        for u in range(width):
            z = depth[v, u]
            points[v, u, 0] = np.float32((u - k[2]) / k[0] * z)
            points[v, u, 1] = np.float32(y * z)
            points[v, u, 2] = z
            red, green, blue = np.uint32(rgb[v, u, 0]), np.uint32(rgb[v, u, 1]), np.uint32(rgb[v, u, 2])
            bits[v, u, 3] = (red << np.uint32(16)) | (green << np.uint32(8)) | blue
            bits[v, u, 4] = labels[v, u]
            points[v, u, 5] = np.float32(confidence[v, u]) / np.float32(255)
