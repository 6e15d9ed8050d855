#!/usr/bin/env bash
# OpenCV 5.0.0: cv2.imread gives None for a TIFF whose orientation is a quarter turn, with an error on stderr, also with
# IMREAD_IGNORE_ORIENTATION; cv2.imdecode reads the same bytes, turned.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 pillow==12.3.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import cv2
import numpy as np
import PIL
from PIL import ExifTags, Image

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)
results = []
for orientation in (1, 3, 6):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (64, 32)).save("x.tif", exif=exif)
    whole = cv2.imdecode(np.fromfile("x.tif", np.uint8), cv2.IMREAD_COLOR)
    stored = cv2.imread("x.tif", cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    shapes = [None if read is None else read.shape[:2] for read in (cv2.imread("x.tif"), whole, stored)]
    print(f"orientation {orientation}: imread {shapes[0]}, imdecode {shapes[1]}, imread without turning {shapes[2]}")
    results.append(shapes)
raise SystemExit(results[0] != [(32, 64)] * 3 or results[2] != [None, (64, 32), None])
PYTHON
