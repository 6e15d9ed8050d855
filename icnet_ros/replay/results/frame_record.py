"""Record of a frame of a drive, and warnings about its data."""

from dataclasses import dataclass
from typing import NamedTuple

from icnet_ros.engine.base import STAGES
from icnet_ros.metrics.frame import NAN, FrameMetrics


@dataclass(frozen=True, kw_only=True)
class FrameRecord(FrameMetrics):
    """Metrics and timings of a frame; NaN where there is no value.

    stamp_ns: stamp of its header. recorded_ns: time at which the bag recorded it. crc: CRC-32 of the message; a stored
    record is reused only for the same message. confidence: mean over the pixels, 0..1. error: why there are no
    labels, "" if there are. damage: what is wrong with an image that was labelled though a part of it is missing.
    """

    stamp_ns: int
    recorded_ns: int
    crc: int = 0
    confidence: float = NAN
    decode_ms: float = NAN
    preprocess_ms: float = NAN
    inference_ms: float = NAN
    postprocess_ms: float = NAN
    error: str = ""
    damage: str = ""

    @property
    def engine_ms(self) -> float:
        """Time of the engine: preprocess, inference, postprocess."""
        return float(sum(getattr(self, f"{stage}_ms") for stage in STAGES))


class DataWarning(NamedTuple):
    """Ground truth or recorded labels that could not be used.

    at: frame number, or time of the message (ns); -1 if it concerns no single frame.
    """

    text: str
    at: int
    drive: str = ""
