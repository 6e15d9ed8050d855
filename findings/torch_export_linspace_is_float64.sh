#!/usr/bin/env bash
# torch 2.14.1, torch.onnx.export(dynamo=False): torch.linspace with dtype=torch.float32, a start that is not whole and a number
# of steps taken from a shape becomes float64 in a file of fixed size, and float32 in one of dynamic size. With whole ends it
# is float32 in both. The grids of Mask2Former's pixel decoder are made so: GridSample then gets float32 and float64, and
# ONNX Runtime refuses the file.
# Guess before: an explicit dtype is the type in the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/export.py" <<'PY'
import io
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

warnings.filterwarnings("ignore")


class Grid(torch.nn.Module):
    def __init__(self, start, end):
        super().__init__()
        self.start, self.end = start, end

    def forward(self, image):
        rows = image.shape[2]
        return torch.linspace(self.start, rows + self.end, rows, dtype=torch.float32) / rows


print("torch", torch.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
image, found = torch.zeros(1, 1, 4, 4), {}
for name, network in {"0.5 to rows - 0.5": Grid(0.5, -0.5), "0 to rows": Grid(0, 0)}.items():
    for size, axes in {"fixed": None, "dynamic": {"image": [2]}}.items():
        file = io.BytesIO()
        torch.onnx.export(
            network, (image,), file, dynamo=False, opset_version=17, input_names=["image"], output_names=["grid"], dynamic_axes=axes
        )
        session = onnxruntime.InferenceSession(file.getvalue())
        given = {one.name: image.numpy() for one in session.get_inputs()}
        found[name, size] = session.run(None, given)[0].dtype
        print(f"linspace from {name}, {size} size: torch {network(image).dtype}, ONNX Runtime {found[name, size]}")
others = {kind for key, kind in found.items() if key != ("0.5 to rows - 0.5", "fixed")}
raise SystemExit(not (found["0.5 to rows - 0.5", "fixed"] == np.float64 and others == {np.dtype("float32")}))
PY
"$folder/venv/bin/python" "$folder/export.py" || { echo "this has changed"; exit 1; }
