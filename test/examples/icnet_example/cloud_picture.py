"""sensor_msgs/PointCloud2 of an RGB-D camera -> picture, where its points are in rows and columns and have colours."""

from typing import ClassVar

import numpy as np

from icnet_ros.wire.cdr import POINT_CLOUD, WireError, deserialise
from icnet_ros.wire.decoders.base import ImageInfo, StatelessDecoder
from icnet_ros.wire.image import Picture, check_size
from icnet_ros.wire.lidar import Cloud


class CloudPictureDecoder(StatelessDecoder):
    """The field `rgb` of organised clouds: 4 bytes, blue first."""

    transports: ClassVar[tuple[str, ...]] = ("points",)  # topic image/points, with input_transport:=points

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        cloud: Cloud = deserialise(data, POINT_CLOUD)
        return ImageInfo(cloud.header, (cloud.height, cloud.width), "rgb")

    def picture(self, data: bytes | memoryview, max_pixels: int) -> Picture:
        """See StatelessDecoder."""
        cloud: Cloud = deserialise(data, POINT_CLOUD)
        check_size(cloud.height, cloud.width, max_pixels)
        offset = next((field.offset for field in cloud.fields if field.name == "rgb"), None)
        if offset is None or cloud.height == 1:
            raise WireError(f"a cloud of {cloud.height} rows with {len(cloud.fields)} fields: not in rows, or no rgb")
        needed = cloud.row_step * cloud.height
        if len(cloud.data) < needed or cloud.row_step < cloud.width * cloud.point_step or offset + 4 > cloud.point_step:
            raise WireError(f"{len(cloud.data)} bytes for {cloud.height} rows of {cloud.row_step} bytes")
        rows = cloud.data[:needed].reshape(cloud.height, cloud.row_step)[:, : cloud.width * cloud.point_step]
        points = rows.reshape(cloud.height, cloud.width, cloud.point_step)
        return Picture(cloud.header, np.ascontiguousarray(points[..., offset : offset + 3]), "bgr")
