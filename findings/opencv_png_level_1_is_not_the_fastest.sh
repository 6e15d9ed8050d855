#!/usr/bin/env bash
# OpenCV 4.14.0: imencode(".png") of a label map with IMWRITE_PNG_COMPRESSION 1, documented as the default and the best speed, takes
# three times as long as without parameters, and the file is larger. As documented, naming a level changes the strategy, from runs
# of equal bytes to libpng's default; not documented is that libpng then also chooses a filter for each row, which takes the time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==4.14.0.94 numpy==2.4.6
cat >"$folder/labels.py" <<'PY'
from time import process_time

import cv2
import numpy as np

# Areas of 19 classes, as of a segmented street.
coarse = np.random.default_rng(0).standard_normal((19, 9, 16)).astype(np.float32)
labels = np.stack([cv2.resize(one, (1280, 720), interpolation=cv2.INTER_CUBIC) for one in coarse]).argmax(0).astype(np.uint8)


def measure(name, *parameters):
    times = []
    for _ in range(15):
        started = process_time()
        content = cv2.imencode(".png", labels, parameters)[1]
        times.append(process_time() - started)
    assert np.array_equal(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), labels)
    print(f"{name}: {1000 * min(times):.1f} ms, {len(content)} bytes")
    return min(times), len(content)


print("OpenCV", cv2.__version__)
plain = measure("no parameters")
fastest = measure("IMWRITE_PNG_COMPRESSION 1", cv2.IMWRITE_PNG_COMPRESSION, 1)
raise SystemExit(not (fastest[0] > 1.5 * plain[0] and fastest[1] > plain[1]))
PY
"$folder/venv/bin/python" "$folder/labels.py" || { echo "this has changed"; exit 1; }
