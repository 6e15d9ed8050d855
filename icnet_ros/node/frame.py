"""A frame on its way through the node: received, decoded, labelled."""

import math
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo

from icnet_ros.engine.base import Float32, Frame, LabelMap, UInt8
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.needs import ReceivedInputs
from icnet_ros.node.inputs.typed_image import TypedImage
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.worker import Counters
from icnet_ros.wire.calibration import with_size
from icnet_ros.wire.cdr import Header
from icnet_ros.wire.image import Picture, stamp_ns

FUTURE_S = 1.0  # stamps further in the future are invalid; clocks of two machines may differ by less


class NotYet(Exception):  # noqa: N818  no error
    """What an output needs has not come yet."""


class ReceivedImage(NamedTuple):
    """An image message: its bytes, or where it is on a device; when it came (monotonic s, node clock ns)."""

    data: bytes | memoryview | DeviceImage | TypedImage
    monotonic: float
    clock_ns: int


class DecodedFrame(NamedTuple):
    """A decoded frame in the worker thread.

    camera: its name. taken, decoded: when each was done (monotonic s). size: (height, width) of its label map, None for
    the image's.
    """

    camera: str
    received: ReceivedImage
    taken: float
    decoded: float
    picture: Picture
    size: tuple[int, int] | None

    @property
    def frame(self) -> Frame:
        """The image as engine input."""
        pixels, order = self.picture.pixels, self.picture.order
        time = stamp_ns(self.picture.header) or self.received.clock_ns
        return Frame(pixels, order, self.size, self.camera, time / 1e9)


@dataclass
class LabelledFrame:
    """A labelled frame as the outputs of its camera get it.

    scored: ids of the classes that the label map has scores of. engine, exit: by which it was labelled. inputs: what
    the camera has received beside the image. started: when publishing began (monotonic s). published_ns: when the
    labels were published (node clock), 0 until then. simulated: the node clock is that of /clock.
    """

    decoded: DecodedFrame
    label_map: LabelMap
    scored: tuple[int, ...]
    engine: str
    exit: str
    settings: Parameters
    inputs: ReceivedInputs
    counters: Counters
    started: float
    published_ns: int = 0
    simulated: bool = False

    @cached_property
    def picture(self) -> Picture:
        """The image."""
        return self.decoded.picture

    @cached_property
    def header(self) -> Header:
        """Header of the image."""
        return self.picture.header

    @cached_property
    def stamp(self) -> int:
        """Stamp of the image in nanoseconds since the epoch."""
        return stamp_ns(self.header)

    @property
    def labels(self) -> UInt8:
        """Class ids, uint8 (H, W)."""
        return self.label_map.labels

    @property
    def confidence(self) -> UInt8:
        """uint8 (H, W), 0..255. Raises NotYet if the frame was labelled without it."""
        if self.label_map.confidence is None:
            raise NotYet
        return self.label_map.confidence

    def scores(self, classes: tuple[int, ...]) -> Float32:
        """Probabilities of these classes, float32 (H, W, n). Raises NotYet like `confidence`."""
        scores = self.label_map.scores
        if scores is None or not set(classes) <= set(self.scored):
            raise NotYet
        return scores if classes == self.scored else scores[..., [self.scored.index(one) for one in classes]]

    @property
    def camera_info(self) -> CameraInfo:
        """The newest CameraInfo of the camera, see `with_size`. Raises ValueError if there is none."""
        if self.inputs.info is None:
            raise ValueError("no CameraInfo of the camera was received; is its topic right?")
        return with_size(self.inputs.info, *self.picture.pixels.shape[:2])

    @cached_property
    def bgr(self) -> UInt8:
        """The image at the size of the labels, BGR uint8 (H, W, 3)."""
        return resized(self.picture.bgr(), self.labels.shape)

    @cached_property
    def stages(self) -> dict[str, float]:
        """Milliseconds by the fields of FrameLatency; publishing ends when they are read for the first time."""
        done, received = perf_counter(), self.decoded.received
        return {
            "transport_ms": since_stamp(received.clock_ns, self.stamp, simulated=self.simulated),
            "wait_ms": milliseconds(self.decoded.taken, received.monotonic),
            "decode_ms": milliseconds(self.decoded.decoded, self.decoded.taken),
            **{f"{stage}_ms": value for stage, value in self.label_map.stages.items()},
            "publish_ms": milliseconds(done, self.started),
            "total_ms": milliseconds(done, received.monotonic),
            "age_ms": since_stamp(self.published_ns, self.stamp, simulated=self.simulated),
        }


def resized(pixels: UInt8, shape: tuple[int, ...]) -> UInt8:
    """Pixels (H, W, 3) at the size `shape` of a label map."""
    if pixels.shape[:2] == shape:
        return pixels
    result: UInt8 = cv2.resize(np.ascontiguousarray(pixels), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return result


def milliseconds(later: float, earlier: float) -> float:
    """Difference of two monotonic times (seconds) in ms."""
    return 1000 * (later - earlier)


def since_stamp(now_ns: int, stamp_ns: int, *, simulated: bool) -> float:
    """Milliseconds from an image stamp to now; NaN for an invalid stamp, see `stamp_error`.

    Also NaN if simulated time has not passed the stamp: it stands still between two ticks of /clock, while the camera
    knows the time between them. The clocks of two machines may differ, so that a time is negative.
    """
    if stamp_error(now_ns, stamp_ns) or (simulated and now_ns <= stamp_ns):
        return math.nan
    return (now_ns - stamp_ns) / 1e6


def stamp_error(now_ns: int, stamp_ns: int) -> str:
    """Why a stamp is invalid (0, in the future, or no clock to compare it with); "" if it is valid."""
    if not stamp_ns:
        return "images carry no stamp: set header.stamp in the camera's driver"
    if not now_ns:
        return "use_sim_time is true, but nothing has been published on /clock yet"
    ahead = (stamp_ns - now_ns) / 1e9
    if ahead > FUTURE_S:
        return f"image stamps are {ahead:.1f} s in the future: synchronise the clocks, or correct use_sim_time"
    return ""
