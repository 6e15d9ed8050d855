#!/usr/bin/env bash
# datumaro 1.13.12, import and export of "voc_segmentation" with label_map="source": pixels without an annotation get the
# colour of the first label in labelmap.txt, whatever it is called. Only if `background` comes first are they background.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datumaro==1.13.12
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.dataset import Dataset
from PIL import Image

COLOURS = {"background": (0, 0, 0), "road": (128, 64, 128), "tree": (107, 142, 35)}
print("datumaro", datumaro.__version__)
results = []
for labels in (["road", "tree", "background"], ["background", "road", "tree"]):
    source = Path("in_" + labels[0])
    for name in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (source / name).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(source / "JPEGImages" / "a.jpg")
    right = np.zeros((4, 4, 3), np.uint8)  # the left half is background and belongs to no object
    right[:, 2:] = COLOURS["tree"]
    Image.fromarray(right).save(source / "SegmentationClass" / "a.png")
    right[:, 2:] = (128, 0, 0)
    Image.fromarray(right).save(source / "SegmentationObject" / "a.png")
    (source / "ImageSets" / "Segmentation" / "default.txt").write_text("a\n")
    lines = [f"{name}:{','.join(map(str, COLOURS[name]))}::" for name in labels]
    (source / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *lines, ""]))
    out = "out_" + labels[0]
    Dataset.import_from(str(source), "voc_segmentation").export(out, "voc_segmentation", label_map="source")
    left = Image.open(f"{out}/SegmentationClass/a.png").convert("RGB").getpixel((0, 0))
    results.append({colour: name for name, colour in COLOURS.items()}.get(left, left))
    print("labels", labels, "-> pixels without an annotation become", results[-1])
raise SystemExit(results != ["road", "background"])
PYTHON
