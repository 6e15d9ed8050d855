#!/usr/bin/env bash
# OpenVINO 2026.4.1: compile_model with a cache folder sets the locale of the whole process to "C" for a while. Two threads that
# compile at once can leave it at "C" for good: each stores what the other had set. Python then reads and writes text files as ASCII,
# unless an encoding is named, and fails at the first other character, in code that has nothing to do with OpenVINO.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 numpy==2.4.6
cat >"$folder/locales.py" <<'PY'
import locale
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

folder = Path(sys.argv[1])
core = openvino.Core()


def compile_one(number):
    image = value = ops.parameter([1, 3, 64, 64 + 8 * number], np.float32)
    for _ in range(12):
        kernel = np.full((3, 3, 3, 3), 0.1 * number + 0.1, np.float32)
        value = ops.relu(ops.convolution(value, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    core.compile_model(openvino.Model([value], [image]), "CPU", {"CACHE_DIR": str(folder / str(number))})


def encoding(numbers, threads):
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compile_one, numbers))
    return locale.getencoding() if hasattr(locale, "getencoding") else locale.getpreferredencoding(False)


print("openvino", openvino.__version__)
alone = encoding(range(10), 1)
print("encoding of text files after ten networks, compiled one after another:", alone)
for attempt in range(1, 41):
    together = encoding(range(20 * attempt, 20 * attempt + 20), 2)
    if together != "UTF-8":
        break
print(f"after twenty, two at a time: {together} (attempt {attempt})")
raise SystemExit(not (alone == "UTF-8" and together != "UTF-8"))
PY
"$folder/venv/bin/python" "$folder/locales.py" "$folder" || { echo "this has changed"; exit 1; }
