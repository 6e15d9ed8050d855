"""Packets of a compressed video -> frames, through PyAV: one at a time, each frame with the number of its packet."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import UInt8

if TYPE_CHECKING:
    import av

# What a codec is called in messages, as far as it is in the name of an encoder: libx264, hevc_nvenc, libsvtav1.
CODECS = {
    "264": "h264", "avc": "h264", "265": "h265", "hevc": "h265", "av1": "av1", "vp9": "vp9", "vp8": "vp8",
    "mpeg4": "mpeg4", "ffv1": "ffv1",
}  # fmt: skip
# The decoder called av1 needs a graphics card.
DECODERS = {"h264": "h264", "h265": "hevc", "av1": "libdav1d"}
NAL = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)  # start code and header of a unit of H.264 and H.265


def codec_of(name: str) -> str:
    """The codec that a format or an encoder's name means, "" if it is none of a video: h264 of "H264", of libx264."""
    return next((codec for part, codec in CODECS.items() if part in name.lower()), "")


def is_key_frame(codec: str, packet: bytes) -> bool:
    """Whether decoding can start with this packet, as far as its first bytes show it."""
    if codec == "h264":
        return 5 in _units(packet, 0x1F, 0, range(1, 6))
    if codec == "h265":
        return any(16 <= unit <= 21 for unit in _units(packet, 0x3F, 1, range(32)))
    if codec == "av1":
        return any(unit == 1 for unit in _open_bitstream_units(packet))  # a sequence header
    if codec == "vp9":  # bits: marker 10, profile (2), whether another frame is shown, whether it is no key frame
        return bool(packet) and packet[0] >> 6 == 2 and not packet[0] & 0b1100
    return codec != "vp8" or (bool(packet) and not packet[0] & 1)


def _units(packet: bytes, mask: int, shift: int, slices: range) -> Iterator[int]:
    """Types of the units of an H.264 or H.265 packet, up to the first slice of a picture."""
    for found in NAL.finditer(packet):
        unit = (found[1][0] >> shift) & mask
        yield unit
        if unit in slices:
            return


def _open_bitstream_units(packet: bytes) -> Iterator[int]:
    """Types of the units of an AV1 packet."""
    at = 0
    while at < len(packet):
        header = packet[at]
        yield (header >> 3) & 0xF
        at += 2 if header & 4 else 1
        if not header & 2:  # it goes to the end of the packet
            return
        size = shift = 0
        while at < len(packet):
            size |= (packet[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not packet[at - 1] & 0x80 or shift > 28:
                break
        at += size


class VideoStream:
    """The state of one video. Packets before its first key frame are refused."""

    def __init__(self, codec: str, max_pixels: int) -> None:
        """codec: see `codec_of`. Raises WireError without PyAV, or for a codec that it cannot decode."""
        try:
            import av
        except ImportError as err:
            raise WireError(f"a video ({codec}) needs the package av: pip install 'icnet_ros[video]'") from err
        self.codec, self._av, self._number, self._started = codec, av, -1, False
        try:
            self._context: av.VideoCodecContext = av.CodecContext.create(DECODERS.get(codec, codec), "r")
        except (ValueError, av.FFmpegError) as err:
            raise WireError(f"PyAV {av.__version__} has no decoder for {codec}") from err
        # Frames on several threads come later, and a frame that is damaged would be passed on.
        self._context.thread_type = "SLICE"
        self._context.flags |= av.codec.context.Flags.low_delay
        self._context.options = {"err_detect": "explode", "max_pixels": str(max_pixels)}

    def decode(self, packet: bytes, *, key: bool) -> list[tuple[int, UInt8]]:
        """Frames that are complete with this packet: how many packets they are late, and BGR uint8 (H, W, 3).

        Raises WireError for a damaged packet, and before the first key frame; later packets may be decoded on.
        """
        self._number += 1
        if not packet:  # for libav that is the end of the video, after which it takes nothing
            raise WireError(f"{self.codec} packet without data")
        if not self._started and not key:
            raise WireError("no key frame yet: the video can be decoded from the next one on")
        unit = self._av.Packet(packet)
        unit.pts = self._number
        frames = self._decode(unit)
        self._started = True
        return frames

    def flush(self) -> list[tuple[int, UInt8]]:
        """Frames that were still to come; `decode` must not be called any more."""
        with suppress(WireError):
            return self._decode(None) if self._started else []
        return []

    def _decode(self, unit: "av.Packet | None") -> list[tuple[int, UInt8]]:
        size = unit.size if unit is not None else 0
        found: list[tuple[int, UInt8]] = []
        damaged = False
        try:
            frames: Sequence[Any] = self._context.decode(unit)
            for frame in frames:
                late = self._number - (self._number if frame.pts is None else int(frame.pts))
                if frame.is_corrupt:
                    damaged = damaged or not late
                    continue
                found.append((late, frame.to_ndarray(format="bgr24")))
        except (self._av.FFmpegError, ValueError, MemoryError, NotImplementedError) as err:
            raise WireError(f"{self.codec} packet of {size} bytes cannot be decoded: {_reason(err)}") from err
        if damaged and not found:
            raise WireError(f"{self.codec} packet of {size} bytes is damaged")
        return found


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error)
