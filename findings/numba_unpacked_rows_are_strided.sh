#!/usr/bin/env bash
# numba 0.68.1: rows of a contiguous array are contiguous if they are indexed, but strided (layout A) if the array is unpacked,
# as in `above, below = np.empty((2, width))`. A function that is called with them is compiled a second time, without vector
# instructions: several times as slow, with the same result and no warning. NumPy's own views are contiguous in both cases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6
cat >"$folder/rows.py" <<'PY'
import re

import numba
import numpy as np


@numba.njit
def blend(above, below, weight):
    for x in range(len(above)):
        below[x] = above[x] * weight + below[x]


@numba.njit
def indexed(width):
    both = np.ones((2, width), np.float32)
    above, below = both[0], both[1]
    blend(above, below, np.float32(0.5))
    return below


@numba.njit
def unpacked(width):
    above, below = np.ones((2, width), np.float32)
    blend(above, below, np.float32(0.5))
    return below


print("numba", numba.__version__)
assert np.array_equal(indexed(100), unpacked(100))
above, below = np.ones((2, 100), np.float32)
print("NumPy: an unpacked row is contiguous:", below.flags.c_contiguous)
found = {}
for signature in blend.signatures:
    vectors = len(re.findall(r"fmul <\d+ x float>", blend.inspect_llvm(signature)))
    found[signature[0].layout] = vectors
    print(f"blend{signature}: {vectors} multiplications of vectors in its LLVM code")
raise SystemExit(not (found.keys() == {"C", "A"} and found["C"] > 0 and found["A"] == 0))
PY
"$folder/venv/bin/python" "$folder/rows.py" || { echo "this has changed"; exit 1; }
