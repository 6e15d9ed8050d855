#!/usr/bin/env bash
# OpenCV 5.0.0 (also 4.14), cv2.imread without flags: JPEG, PNG and WebP are turned as their EXIF orientation says, AVIF is
# not, although Pillow writes the same orientation into all four. Sizes of labels then fit three formats but not the fourth.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 pillow==12.3.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import cv2
import PIL
from PIL import ExifTags, Image, ImageOps

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)
turned = Image.Exif()
turned[ExifTags.Base.Orientation] = 6  # to be shown turned by a quarter
results = {}
for suffix in ("jpg", "png", "webp", "avif"):
    Image.new("RGB", (64, 32)).save(f"x.{suffix}", exif=turned)
    with Image.open(f"x.{suffix}") as picture:
        width, height = ImageOps.exif_transpose(picture).size
    read = cv2.imread(f"x.{suffix}").shape[:2]
    results[suffix] = read == (height, width)
    print(f"{suffix}: height and width {(height, width)} by Pillow's exif_transpose, {read} by OpenCV")
raise SystemExit(results != {"jpg": True, "png": True, "webp": True, "avif": False})
PYTHON
