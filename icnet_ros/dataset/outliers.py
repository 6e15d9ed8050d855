"""Images that show nothing of the classes."""

from pathlib import Path

import numpy as np

from icnet_ros.dataset.base import DatasetError, LabelReader, UInt8
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import read_picture


def unlabelled(ignore: int) -> LabelReader:
    """Reader of an image file as labels: `ignore` at all pixels, uint8 (H, W)."""

    def read(path: Path) -> UInt8:
        try:
            return np.full(read_picture(path).shape[:2], ignore, np.uint8)
        except WireError as err:
            raise DatasetError(str(err)) from err

    return read
