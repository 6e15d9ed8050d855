#!/usr/bin/env bash
# datumaro 1.13.12: the COCO importer takes annotations from the end of the list, and the exporters of masks paint them in
# that order. In COCO files whose regions lie one over the other, such as a car drawn over its road, the road covers the car
# after COCO -> Pascal VOC; pycocotools and others paint in the order of the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datumaro==1.13.12
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import json
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.dataset import Dataset
from PIL import Image

print("datumaro", datumaro.__version__)
polygons = {"road": [0, 0, 20, 0, 20, 20, 0, 20], "car": [5, 5, 15, 5, 15, 15, 5, 15]}
annotations = [
    {"id": k, "image_id": 1, "category_id": k, "iscrowd": 0, "area": 100 * (k == 2) or 400, "segmentation": [points],
     "bbox": [points[0], points[1], points[2] - points[0], points[5] - points[1]]}
    for k, points in enumerate(polygons.values(), 1)
]
content = {
    "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 20}],
    "annotations": annotations,
    "categories": [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(polygons, 1)],
}
Path("coco/annotations").mkdir(parents=True)
Path("coco/images/default").mkdir(parents=True)
Path("coco/annotations/instances_default.json").write_text(json.dumps(content))
Image.new("RGB", (20, 20)).save("coco/images/default/a.png")
dataset = Dataset.import_from("coco", "coco_instances")
(item,) = dataset
print("annotations in the file: 1 road, 2 car; as imported:", [one.id for one in item.annotations if hasattr(one, "points")])
dataset.transform("polygons_to_masks")
colours = {"background": (0, 0, 0), "road": (128, 64, 128), "car": (0, 0, 142)}
dataset.export("voc", "voc_segmentation", label_map={name: [rgb, [], []] for name, rgb in colours.items()})
middle = tuple(map(int, np.asarray(Image.open("voc/SegmentationClass/a.png").convert("RGB"))[10, 10]))
print("the middle of the car in Pascal VOC:", next(name for name, rgb in colours.items() if rgb == middle))
assert middle == colours["road"], "the car is on top now"
PYTHON
