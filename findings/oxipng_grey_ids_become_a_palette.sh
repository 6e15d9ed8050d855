#!/usr/bin/env bash
# oxipng (pyoxipng 9.1.1), at every level, also 0: a grey PNG of up to 16 class ids is stored as a palette of grey levels in
# an order of its own. It is without loss for a viewer, but np.asarray(PIL.Image.open(...)) then gives the indices: other
# ids, all of which may be valid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyoxipng==9.1.1 pillow==12.3.0 numpy
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import oxipng
from PIL import Image

print("pyoxipng", version("pyoxipng"), "pillow", version("pillow"))
ids = np.random.default_rng(0).integers(0, 3, (12, 16)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
Image.fromarray(ids).save("before.png")
for level in (0, 2, 6):
    oxipng.optimize("before.png", "after.png", level=level)
    after = Image.open("after.png")
    read, shown = np.asarray(after), np.asarray(after.convert("L"))
    moved = {int(a): int(read[ids == a][0]) for a in np.unique(ids)}
    print(f"level {level}: mode {after.mode}, palette {after.getpalette('RGB')}, ids as read {moved}")
    assert after.mode == "P" and (shown == ids).all(), "another way to store it"
    assert (read != ids).any(), "the indices are the ids now"
PYTHON
