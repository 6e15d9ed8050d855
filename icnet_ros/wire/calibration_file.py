"""Calibration files of camera_calibration and camera_info_manager (YAML) -> CameraInfo."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.wire.cdr import WireError


def _no_region() -> Any:
    return SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)


@dataclass
class Calibration:
    """See sensor_msgs/CameraInfo."""

    width: int
    height: int
    k: Sequence[float]
    d: Sequence[float] = field(default_factory=list)
    distortion_model: str = "plumb_bob"
    r: Sequence[float] = field(default_factory=lambda: [0.0] * 9)
    p: Sequence[float] = field(default_factory=lambda: [0.0] * 12)
    binning_x: int = 0
    binning_y: int = 0
    roi: Any = field(default_factory=_no_region)


def read_calibration(path: Path) -> Calibration:
    """Raises WireError, and OSError if the file cannot be read."""
    try:
        values = read_yaml(path)
    except DocumentError as err:
        raise WireError(str(err)) from err
    try:

        def numbers(name: str, count: int) -> list[float]:
            found = [float(one) for one in values[name]["data"]] if name in values else [0.0] * count
            if count and len(found) != count:
                raise WireError(f"{path}: {name} has {len(found)} numbers, it takes {count}")
            return found

        return Calibration(
            int(values["image_width"]), int(values["image_height"]), numbers("camera_matrix", 9),
            numbers("distortion_coefficients", 0), str(values.get("distortion_model", "plumb_bob")),
            numbers("rectification_matrix", 9), numbers("projection_matrix", 12),
        )  # fmt: skip
    except WireError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise WireError(
            f"{path}: no calibration file ({type(err).__name__}: {err}); it has image_width, image_height, "
            "camera_matrix and so on, as camera_calibration writes it"
        ) from err
