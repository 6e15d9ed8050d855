"""Images that show nothing of the classes."""

from pathlib import Path

import numpy as np

from icnet_ros.dataset.base import DatasetError, LabelReader, UInt8
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.picture_file import picture_size


def unlabelled(ignore: int) -> LabelReader:
    """Reader of an image file as labels: `ignore` at all pixels, uint8 (H, W)."""

    def read(path: Path) -> UInt8:
        try:
            _, height, width = picture_size(path.read_bytes())
        except (OSError, WireError) as err:
            raise DatasetError(f"{path}: {err}") from err
        return np.full((height, width), ignore, np.uint8)

    return read
