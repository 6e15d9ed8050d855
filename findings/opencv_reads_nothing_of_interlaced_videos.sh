#!/usr/bin/env bash
# OpenCV 4.13 and 4.14 (wheels of PyPI, FFmpeg 8) do not convert the frames of an interlaced video: each read() says True and
# gives the same picture, which is not one of the video. 4.12 and PyAV read it. The only sign is a line on stderr, "Cannot
# convert interlaced to progressive frames or vice versa". Labels and detections of such pictures look valid.
# Guess before: both lines of fields are woven into each picture, as 4.12 gives it.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet opencv-python-headless==4.14.0.94 av==18.1.0 numpy
"$venv/bin/pip" install --quiet --no-deps --target "$venv/before" opencv-python-headless==4.12.0.88
cd "$venv"
"$venv/bin/python" - <<'EOF'
import av
import numpy as np

with av.open("drive.mp4", "w") as file:
    stream = file.add_stream("libx264", rate=25, options={"x264-params": "tff=1:interlaced=1"})
    stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
    for grey in range(60, 180, 10):
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((240, 320, 3), grey, np.uint8), "rgb24")))
    file.mux(stream.encode(None))
with av.open("drive.mp4") as file:
    print("PyAV", av.__version__, [round(float(frame.to_ndarray(format="bgr24").mean())) for frame in file.decode(video=0)])
EOF
cat > read.py <<'EOF'
import sys

import cv2

video, means = cv2.VideoCapture("drive.mp4"), []
while (read := video.read())[0]:
    means.append(round(float(read[1].mean())))
print("OpenCV", cv2.__version__, means)
assert len(means) == 12, "changed: not all frames are read"
assert (len(set(means)) == 1) == (sys.argv[1] == "nothing"), "changed"
EOF
"$venv/bin/python" read.py nothing
PYTHONPATH="$venv/before" "$venv/bin/python" read.py pictures
