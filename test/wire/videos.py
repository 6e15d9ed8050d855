"""Videos for tests: encoded with PyAV, as messages of the types that cameras send."""

import os
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, message_type, serialise
from icnet_ros.wire.image import make_header

av = pytest.importorskip("av", reason="no PyAV in this environment (extra video)")

SPEED = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:repeat-headers=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libsvtav1": {"preset": "12"},
}
DECODERS = {"h264": "h264", "h265": "hevc", "vp9": "vp9", "av1": "libdav1d"}
BEGAN = 10**18


def scenes(count, height=96, width=128):
    """Pictures of a square that moves over a gradient."""
    rows, columns = np.mgrid[:height, :width]
    for number in range(count):
        picture = np.dstack([rows * 2, columns, np.full_like(rows, 90)]).astype(np.uint8)
        picture[20:60, 3 * (number % 30) : 3 * (number % 30) + 40] = (30, 200, 240 - 5 * (number % 40))
        yield picture


@contextmanager
def usual_priority():
    """libsvtav1, run by root, makes this thread and all that it starts real-time ones: nothing else would run."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


@usual_priority()
def encode(encoder, pictures, *, gop=5, b_frames=0, pix_fmt="yuv420p", options=None):
    """[(packet, number of the picture that is in it)] in the order of the stream."""
    pictures = list(pictures)
    context = av.CodecContext.create(encoder, "w")
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, Fraction(1, 30), Fraction(30)
    context.gop_size, context.max_b_frames = gop, b_frames
    context.options = {**SPEED[encoder], **(options or {})}
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format=pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts) for packet in packets]


def decoded(codec, packets):
    """{number of the picture: BGR} by PyAV alone, with its own defaults."""
    context = av.CodecContext.create(DECODERS[codec], "r")
    frames = []
    for content, number in packets:
        packet = av.Packet(content)
        packet.pts = number
        frames += context.decode(packet)
    frames += context.decode(None)
    return {frame.pts: frame.to_ndarray(format="bgr24") for frame in frames}


def as_message(kind, codec, content, number, encoding=""):
    """A message of that type, stamped BEGAN + number."""
    header, data = make_header(BEGAN + number, "cam"), np.frombuffer(content, np.uint8)
    make = message_type(kind)
    if kind == COMPRESSED_VIDEO:
        return serialise(make(timestamp=header.stamp, frame_id="cam", data=data, format=codec), kind)
    if kind == COMPRESSED_IMAGE:
        return serialise(make(header=header, format=encoding or codec, data=data), kind)
    fields = {"width": 128, "height": 96, "pts": number, "flags": 0, "is_bigendian": False}
    encoding = encoding or f"{codec};yuv420p;bgr8;bgr8"
    return serialise(make(header=header, encoding=encoding, data=data, **fields), FFMPEG_PACKET)
