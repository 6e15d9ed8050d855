#!/usr/bin/env bash
# OpenVINO's CPU plugin computes a quantised 1x1 convolution with stride 2 in float; with stride 1 it runs in int8. The stride is
# moved into a MaxPool between the dequantisation and the convolution. So the strided shortcut and the strided 1x1 of a ResNet stage are a
# float island in an int8 network.
# Exits with 0 while that is so, with 1 when it has changed. Needs an x86-64 CPU and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper


def network(convolutions, stride):
    """uint8-quantised input -> `convolutions` int8 1x1 convolutions with this stride, summed."""
    generator = np.random.default_rng(0)
    constants = {"scale": np.float32(0.02), "zero": np.uint8(0), "weight_scale": np.float32(0.01), "weight_zero": np.int8(0)}
    nodes = [
        helper.make_node("Relu", ["image"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
    ]
    for number in range(convolutions):
        constants[f"w{number}"] = generator.integers(-127, 128, (64, 64, 1, 1)).astype(np.int8)
        nodes.append(helper.make_node("DequantizeLinear", [f"w{number}", "weight_scale", "weight_zero"], [f"dw{number}"]))
        nodes.append(helper.make_node("Conv", ["x", f"dw{number}"], [f"y{number}"], f"conv{number}", strides=[stride, stride]))
    outputs = [f"y{number}" for number in range(convolutions)]
    nodes.append(helper.make_node("Sum", outputs, ["sum"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("image", TensorProto.FLOAT, [1, 64, 56, 56])], [value("sum", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def executed(model):
    """Precisions of the convolutions' inputs in the compiled graph, and the number of MaxPools."""
    compiled = ov.Core().compile_model(ov.Core().read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kinds, pools = [], 0
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kind = str(info["layerType"].astype(str)) if "layerType" in info else ""
        pools += kind == "Pooling"
        if kind == "Convolution":
            kinds.append(str(info["runtimePrecision"].astype(str)))
    return sorted(kinds), pools


print("openvino", ov.__version__)
results = {}
for convolutions, stride in ((1, 1), (1, 2), (2, 1), (2, 2)):
    results[convolutions, stride] = executed(network(convolutions, stride))
    kinds, pools = results[convolutions, stride]
    print(f"{convolutions} convolution(s) with stride {stride}: computed in {', '.join(kinds)}; MaxPools: {pools}")
in_float = {key: all("f" in kind for kind in kinds) for key, (kinds, _) in results.items()}
as_described = in_float == {(1, 1): False, (1, 2): True, (2, 1): False, (2, 2): True} and results[1, 2][1] > 0
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PY
