#!/usr/bin/env bash
# torch 2.13's default ONNX exporter with dynamic sizes: adaptive pooling has other values at other sizes than that of
# the export, without a warning. Exits non-zero if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 onnxscript==0.7.2 onnx==1.23.2 onnxruntime==1.32.0 numpy
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np, onnxruntime, torch
from torch import nn

class Pool(nn.Module):
    def forward(self, image):
        return nn.functional.adaptive_avg_pool2d(image, 2)

height, width = torch.export.Dim("height", min=4), torch.export.Dim("width", min=4)
shapes = {"image": {2: height, 3: width}}
torch.onnx.export(
    Pool(), (torch.zeros(1, 1, 8, 8),), "pool.onnx", input_names=["image"], dynamo=True, dynamic_shapes=shapes,
    verbose=False,
)
session = onnxruntime.InferenceSession("pool.onnx", providers=["CPUExecutionProvider"])
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
wrong = 0
for size in ((8, 8), (12, 8), (8, 20), (9, 7)):
    image = np.arange(size[0] * size[1], dtype=np.float32).reshape(1, 1, *size)
    expected = Pool()(torch.from_numpy(image)).numpy()
    try:
        found = session.run(None, {"image": image})[0]
        same = found.shape == expected.shape and np.allclose(found, expected)
        print(size, "expected", expected.ravel().tolist(), "found", found.shape, found.ravel().tolist()[:6], "same" if same else "OTHER")
        wrong += not same
    except Exception as err:
        print(size, "error:", str(err).splitlines()[0][:200])
raise SystemExit(0 if wrong else 1)
PYTHON
