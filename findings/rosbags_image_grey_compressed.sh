#!/usr/bin/env bash
# rosbags-image 0.10.4: a CompressedImage that holds one channel (a PNG of labels or depth, "mono8; png compressed mono8")
# is taken for bgr8: asked for mono8 it raises OpenCV's error, asked for bgr8 it gives one channel. Without a colour space it is read well.
# Guess before: mono8 gives the pixels, bgr8 three channels, as for Image.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet rosbags==0.11.9 rosbags-image==0.10.4 opencv-python-headless==4.14.0.94
"$venv/bin/python" - <<'EOF'
from importlib.metadata import version

import cv2
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
png = cv2.imencode(".png", pixels)[1].reshape(-1)
message = types["sensor_msgs/msg/CompressedImage"](header=header, format="mono8; png compressed mono8", data=png)
plain = message_to_cvimage(message)
colour = message_to_cvimage(message, "bgr8")
try:
    grey = str(message_to_cvimage(message, "mono8").shape)
except cv2.error as err:
    grey = f"cv2.error {err.code}"
print(f"rosbags-image {version('rosbags-image')}: no colour space {plain.shape}, bgr8 {colour.shape}, mono8 {grey}")
assert np.array_equal(plain, pixels) and colour.shape == (3, 4) and grey.startswith("cv2.error"), "changed"
EOF
