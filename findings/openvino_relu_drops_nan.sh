#!/usr/bin/env bash
# On a CPU, OpenVINO's Relu, Max and Clip give 0 for NaN, and its MaxPool gives the largest of the others; ONNX Runtime's give NaN.
# So a NaN from before a network's last activation never reaches its output: a check of the output for NaN, which works with ONNX
# Runtime and torch, finds nothing, and the labels look like any others. Conv, Sigmoid and Resize keep NaN in both.
# Exits with 0 while that is so, with 1 when it has changed. Needs an x86-64 CPU and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
import openvino as ov
from onnx import TensorProto, helper, numpy_helper

ZERO = numpy_helper.from_array(np.float32(0), "zero")
TWICE = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice")
WEIGHT = numpy_helper.from_array(np.random.default_rng(0).normal(size=(4, 4, 3, 3)).astype(np.float32), "weight")
LOSE = {
    "Relu": [helper.make_node("Relu", ["image"], ["out"])],
    "Max with 0": [helper.make_node("Max", ["image", "zero"], ["out"])],
    "Clip from 0": [helper.make_node("Clip", ["image", "zero"], ["out"])],
    "MaxPool": [helper.make_node("MaxPool", ["image"], ["out"], kernel_shape=[2, 2], strides=[2, 2])],
    "Conv, Relu": [helper.make_node("Conv", ["image", "weight"], ["c"]), helper.make_node("Relu", ["c"], ["out"])],
}
KEEP = {
    "Conv": [helper.make_node("Conv", ["image", "weight"], ["out"])],
    "Sigmoid": [helper.make_node("Sigmoid", ["image"], ["out"])],
    "Resize": [helper.make_node("Resize", ["image", "", "twice"], ["out"], mode="linear")],
}


def network(nodes):
    value = helper.make_tensor_value_info
    read = {name for node in nodes for name in node.input}
    constants = [constant for constant in (ZERO, TWICE, WEIGHT) if constant.name in read]
    inputs, outputs = [value("image", TensorProto.FLOAT, [1, 4, 8, 8])], [value("out", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


image = np.ones((1, 4, 8, 8), np.float32)
image[0, 1, 3, 3] = np.nan
print("openvino", ov.__version__, " onnxruntime", onnxruntime.__version__)
found = {}
for name, nodes in (LOSE | KEEP).items():
    model = network(nodes)
    expected = onnxruntime.InferenceSession(model).run(None, {"image": image})[0]
    compiled = ov.Core().compile_model(ov.Core().read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found[name] = int(np.isnan(expected).sum()), int(np.isnan(compiled([image])[0]).sum())
    print(f"{name:12s} values that are NaN: onnxruntime {found[name][0]:3d}, openvino {found[name][1]:3d}")
as_described = all(found[name][1] == 0 for name in LOSE) and all(one == other > 0 for one, other in map(found.get, KEEP))
as_described &= all(found[name][0] > 0 for name in ("Relu", "Max with 0", "Clip from 0", "Conv, Relu"))
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PY
