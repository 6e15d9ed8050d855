"""Sample drive made from one photograph, for a demo without a recorded bag."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.image import UInt8, encode_image, make_header

TOPIC = "/camera/image_raw"
GROUND_TRUTH_TOPIC = "/camera/ground_truth"
FRAMES, SIZE = 60, (640, 480)  # width, height


def make_sample_drive(
    photograph: Path,
    bag: Path,
    *,
    labels: Path | None = None,
    frames: int = FRAMES,
    rate: float = 15.0,
    size: tuple[int, int] = SIZE,
) -> None:
    """Write a bag of raw bgr8 images that pan and zoom across a photograph.

    labels: label image of the photograph; the bag then has ground truth. size: (width, height) of the frames. Stamps
    begin at 1 s. Raises WireError if a picture cannot be read, if their sizes differ, or if the bag exists.
    """
    sources = {TOPIC: ("bgr8", _read(photograph, cv2.IMREAD_COLOR), cv2.INTER_LINEAR)}
    if labels is not None:
        sources[GROUND_TRUTH_TOPIC] = ("mono8", _read(labels, cv2.IMREAD_GRAYSCALE), cv2.INTER_NEAREST)
    if len({picture.shape[:2] for _, picture, _ in sources.values()}) > 1:
        raise WireError(f"{labels}: not of the size of {photograph}")
    with closing(BagWriter(bag, [(topic, IMAGE) for topic in sources])) as writer:
        for number in range(frames):
            time = round(1e9 * (1 + number / rate))
            for topic, (encoding, picture, interpolation) in sources.items():
                view = _view(picture, number / max(1, frames - 1), size, interpolation)
                writer.write(topic, encode_image(make_header(time, "camera"), view, encoding), time)


def _read(path: Path, flags: int) -> UInt8:
    picture: UInt8 | None = cv2.imread(str(path), flags)
    if picture is None:
        raise WireError(f"{path}: not a readable picture")
    return picture


def _view(picture: UInt8, progress: float, size: tuple[int, int], interpolation: int) -> UInt8:
    """View of the camera at `progress` 0..1: it zooms in and pans from left to right."""
    width, height = size
    limits = picture.shape[1] / width, picture.shape[0] / height
    scale = min(limits) * (1 - 0.3 * np.sin(progress * np.pi / 2))
    window = width * scale, height * scale
    centre_x = window[0] / 2 + progress * (picture.shape[1] - window[0])
    centre_y = window[1] / 2 + (0.5 + 0.2 * np.sin(2 * np.pi * progress)) * (picture.shape[0] - window[1])
    move = np.array([[scale, 0, centre_x - window[0] / 2], [0, scale, centre_y - window[1] / 2]], np.float32)
    flags = interpolation | cv2.WARP_INVERSE_MAP
    view: UInt8 = cv2.warpAffine(picture, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return view
