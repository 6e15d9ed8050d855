"""What is predicted for an annotated image."""

from dataclasses import dataclass

from icnet_ros.render.painter import UInt8


@dataclass(frozen=True)
class Prediction:
    """An annotated image, BGR uint8 (H, W, 3), with its ground truth and, by exit, its label maps, uint8 (H, W)."""

    image: UInt8
    ground_truth: UInt8
    labels: dict[str, UInt8]
