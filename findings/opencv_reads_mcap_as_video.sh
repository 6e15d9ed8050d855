#!/usr/bin/env bash
# OpenCV 4.14.0 (and FFmpeg, which it uses) opens a recording in mcap as a video: it finds the JPEG files in it, of all topics
# one after the other, and says nothing. A program that tells videos by whether OpenCV opens them takes bags for videos.
# Guess before: cv2.VideoCapture does not open an mcap file, as FFmpeg knows no such container.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet opencv-python-headless==4.14.0.94 mcap==1.6.0 numpy
cd "$venv"
"$venv/bin/python" - <<'EOF'
import cv2
import numpy as np
from mcap.writer import CompressionType, Writer

COUNT = 30
with open("drive.mcap", "wb") as file:
    writer = Writer(file, compression=CompressionType.NONE)
    writer.start()
    channels = {grey: writer.register_channel(f"/camera_{grey}", "jpeg", 0) for grey in (60, 200)}
    for number in range(COUNT):
        for grey, channel in channels.items():
            noise = np.random.default_rng(number).integers(-20, 20, (240, 320, 3))
            _, jpeg = cv2.imencode(".jpg", (grey + noise).astype(np.uint8))
            writer.add_message(channel, number, jpeg.tobytes(), number)
    writer.finish()
video = cv2.VideoCapture("drive.mcap")
found = []
while video.isOpened() and (read := video.read())[0]:
    found.append(int(read[1].mean()))
print("OpenCV", cv2.__version__, "opened:", video.isOpened(), "frames:", len(found), "mean grey of the first:", found[:6])
assert len(found) == 2 * COUNT, "changed: not all JPEGs of the recording are frames"
assert found[0] < 100 < found[1] and found[2] < 100 < found[3], "changed: the topics are no longer mixed"
EOF
