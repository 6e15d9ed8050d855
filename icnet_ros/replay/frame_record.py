"""What is known of each frame of a drive."""

from dataclasses import dataclass
from typing import NamedTuple

from icnet_ros.engine.base import STAGES
from icnet_ros.metrics.frame import NAN, FrameMetrics


@dataclass(frozen=True, kw_only=True)
class FrameRecord(FrameMetrics):
    """A frame with its metrics and timings. What is not known is NaN.

    stamp_ns: of its header. recorded_ns: when the bag received it. crc: CRC-32 of the message; a record is reused for
    its own message only. confidence: mean over the pixels, 0..1. error: why it has no labels, "" if it has.
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

    @property
    def engine_ms(self) -> float:
        """Time of the engine: preprocess, inference, postprocess."""
        return float(sum(getattr(self, f"{stage}_ms") for stage in STAGES))


class DataWarning(NamedTuple):
    """Something in the ground truth, or in recorded labels, that could not be used. at: which message or frame."""

    text: str
    at: int
    drive: str = ""
