#!/usr/bin/env bash
# PyAV 18.1.0 with its default, thread_type "AUTO": a frame of a stream without reordering comes out one packet or more
# later than its packet, as many as there are threads less one; with "SLICE" it comes with its packet.
# Guess before: H.264 encoded with tune=zerolatency is decoded packet in, frame out.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet av==18.1.0 numpy
"$venv/bin/python" - <<'EOF'
from fractions import Fraction

import av
import numpy as np

encoder = av.CodecContext.create("libx264", "w")
encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 128, 96, "yuv420p", Fraction(1, 30)
encoder.max_b_frames, encoder.options = 0, {"preset": "ultrafast", "tune": "zerolatency"}
packets = []
for number in range(8):
    frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 30 * number, np.uint8), "rgb24").reformat(format="yuv420p")
    frame.pts = number
    packets += encoder.encode(frame)
packets = [bytes(packet) for packet in packets + encoder.encode(None)]


def frames_by_packet(thread_type):
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_type, decoder.thread_count = thread_type, 3
    return [len(decoder.decode(av.Packet(packet))) for packet in packets]


found = {kind: frames_by_packet(kind) for kind in ("AUTO", "SLICE")}
print("PyAV", av.__version__, "frames after each packet:", found)
assert found["SLICE"] == [1] * 8
assert found["AUTO"][:2] == [0, 0], "changed: AUTO gives frames at once"
EOF
