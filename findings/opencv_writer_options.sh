#!/usr/bin/env bash
# OPENCV_FFMPEG_WRITER_OPTIONS does not reach the encoder of cv2.VideoWriter.
# Guess: as OPENCV_FFMPEG_CAPTURE_OPTIONS for reading, its pairs are given to libav, so that the speed or the bit rate of
# libvpx can be chosen. Found: the file is the same byte for byte; VP9 is always encoded with libvpx's slow defaults.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.2.6 opencv-python-headless==4.14.0.94
cat >"$folder/encode.py" <<'END'
import sys
import time

import cv2
import numpy as np

rng = np.random.default_rng(0)
video = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter.fourcc(*"vp09"), 15, (320, 240))
assert video.isOpened()
started = time.process_time()
for _ in range(40):
    video.write(cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (320, 240)))
video.release()
print(f"OpenCV {cv2.__version__}: {time.process_time() - started:.1f} s of CPU time", end="; ")
END
run() { OPENCV_FFMPEG_WRITER_OPTIONS=$1 "$folder/venv/bin/python" "$folder/encode.py" "$folder/$2.mp4"; sha256sum <"$folder/$2.mp4"; }
unset OPENCV_FFMPEG_WRITER_OPTIONS
run "" default
for options in "deadline;realtime|cpu-used;8" "b;50000" "g;1" "threads;4|row-mt;1"; do
  echo "options $options"
  run "$options" other
  cmp "$folder/default.mp4" "$folder/other.mp4"
done
echo "none of the options changed a byte"
