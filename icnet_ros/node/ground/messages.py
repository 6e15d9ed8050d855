"""Grids and ranges -> sensor_msgs/LaserScan and nav_msgs/OccupancyGrid."""

import numpy as np
import numpy.typing as npt

from icnet_ros.wire.cdr import GRID, SCAN, Time, message_type, serialise
from icnet_ros.wire.image import as_header


def encode_grid(
    stamp: Time, frame: str, cells: npt.NDArray[np.int8], resolution: float, corner: tuple[float, float, float]
) -> bytes:
    """Serialised nav_msgs/OccupancyGrid of cells int8 (rows, columns), -1 or 0..100; rows along y, columns along x.

    corner: x, y and z in `frame` of the corner of the first cell. resolution: metres.
    """
    x, y, z = corner
    pose = message_type("geometry_msgs/msg/Pose")(
        position=message_type("geometry_msgs/msg/Point")(x=x, y=y, z=z),
        orientation=message_type("geometry_msgs/msg/Quaternion")(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    height, width = cells.shape
    info = message_type("nav_msgs/msg/MapMetaData")(
        map_load_time=stamp, resolution=resolution, width=width, height=height, origin=pose
    )
    message = message_type(GRID)(header=as_header(stamp, frame), info=info, data=cells.reshape(-1))
    return serialise(message, GRID)


def encode_scan(
    stamp: Time,
    frame: str,
    ranges: npt.NDArray[np.float32],
    angles: tuple[float, float],
    limits: tuple[float, float],
) -> bytes:
    """Serialised sensor_msgs/LaserScan. ranges: (beams,), metres. angles: of the first beam, and between two, rad.

    limits: range_min, range_max. All beams are of the same time.
    """
    first, step = angles
    message = message_type(SCAN)(
        header=as_header(stamp, frame),
        angle_min=first,
        angle_max=first + step * (len(ranges) - 1),
        angle_increment=step,
        time_increment=0.0,
        scan_time=0.0,
        range_min=limits[0],
        range_max=limits[1],
        ranges=ranges,
        intensities=np.zeros(0, np.float32),
    )
    return serialise(message, SCAN)
