#!/usr/bin/env bash
# OpenCV 4.12 and PyAV 16 convert a video that says BT.709 as if it said BT.601; OpenCV 4.13 and PyAV 17 convert it
# rightly: the same file has other colours after an update, up to 30 of 255. Both do so without a warning.
# Guess before: both take the matrix that the stream names, as players do; or both versions of a library do the same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install() { # name of the environment, versions of OpenCV and PyAV
    python3 -m venv "$work/$1"
    "$work/$1/bin/pip" install --quiet "opencv-python-headless==$2" "av==$3" numpy
}
install old 4.12.0.88 16.0.1
install new 4.13.0.90 17.1.0
"$work/new/bin/python" - "$work/bt709.mp4" <<'EOF'
import sys
from fractions import Fraction

import av
import numpy as np

KR, KB = 0.2126, 0.0722  # BT.709
red, green, blue = (value / 255 for value in (60, 180, 60))
luma = KR * red + (1 - KR - KB) * green + KB * blue
y = round(16 + 219 * luma)
u, v = round(128 + 224 * (blue - luma) / (2 - 2 * KB)), round(128 + 224 * (red - luma) / (2 - 2 * KR))
with av.open(sys.argv[1], "w") as file:
    stream = file.add_stream("libx264", rate=30, options={"qp": "0"})
    stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
    stream.codec_context.colorspace = 1  # BT.709
    stream.codec_context.color_range = 1  # 16 to 235
    for number in range(3):
        frame = av.VideoFrame(128, 96, "yuv420p")
        for plane, value in zip(frame.planes, (y, u, v)):
            plane.update(np.full(plane.buffer_size, value, np.uint8).tobytes())
        frame.colorspace, frame.color_range = 1, 1
        frame.pts, frame.time_base = number, Fraction(1, 30)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))
EOF
for environment in old new; do
    "$work/$environment/bin/python" - "$work/bt709.mp4" "$environment" <<'EOF'
import sys

import av
import cv2

path, environment = sys.argv[1:]
_, opencv = cv2.VideoCapture(path).read()
with av.open(path) as file:
    file.streams.video[0].thread_count = 1
    pyav = file.decode(video=0).__next__().to_ndarray(format="bgr24")
colours = {f"OpenCV {cv2.__version__}": opencv[48, 64, ::-1].tolist(), f"PyAV {av.__version__}": pyav[48, 64, ::-1].tolist()}
print("encoded: [60, 180, 60]; decoded:", colours)
off = [max(abs(a - b) for a, b in zip(colour, (60, 180, 60))) for colour in colours.values()]
assert all(value > 10 for value in off) if environment == "old" else all(value < 4 for value in off), f"changed: {off}"
EOF
done
