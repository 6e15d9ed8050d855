#!/usr/bin/env bash
# PyAV 18.1.0: the decoder that is called "av1" decodes nothing without a graphics card; "libdav1d" must be named.
# Guess before: CodecContext.create("av1", "r") takes whatever decoder of AV1 works, as "h264" and "hevc" do.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet av==18.1.0 numpy
"$venv/bin/python" - <<'EOF'
from fractions import Fraction

import av
import numpy as np

encoder = av.CodecContext.create("libsvtav1", "w")
encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 128, 96, "yuv420p", Fraction(1, 30)
encoder.framerate = Fraction(30)
packets = []
for number in range(5):
    frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 40 * number, np.uint8), "rgb24").reformat(format="yuv420p")
    frame.pts = number
    packets += encoder.encode(frame)
packets = [bytes(packet) for packet in packets + encoder.encode(None)]


def frames(name):
    decoder = av.CodecContext.create(name, "r")
    try:
        return sum(len(decoder.decode(packet)) for packet in [*map(av.Packet, packets), None])
    except (av.FFmpegError, NotImplementedError) as err:
        return f"{type(err).__name__}: {err}"


found = {name: frames(name) for name in ("av1", "libdav1d")}
print("PyAV", av.__version__, "frames of 5:", found)
assert str(found["av1"]).startswith("NotImplementedError"), "changed: av1 decodes"
assert found["libdav1d"] == 5
EOF
