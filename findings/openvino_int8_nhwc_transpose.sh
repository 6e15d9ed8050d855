#!/usr/bin/env bash
# An int8 network in OpenVINO on the CPU, whose first convolution reads NHWC anyway, with the pixels of a camera (NHWC):
# * by PrePostProcessor, the documented way: laid out twice, to NCHW for the quantisation and back for the convolution;
# * quantised beforehand, a Transpose before the DequantizeLinear: the convolution is computed in float;
# * quantised beforehand, the Transpose behind the DequantizeLinear: in int8, and nothing comes before the convolution.
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


def network(pixels):
    """Two int8 convolutions of an image: float NCHW, or int8 NHWC with a Transpose "before" or "behind" the dequantisation."""
    random = np.random.default_rng(0)
    constants = {"s": np.float32(0.02), "z": np.int8(0), "zu": np.uint8(0), "ws": np.full(16, 0.01, np.float32), "wz": np.zeros(16, np.int8)}
    constants["w1"] = random.integers(-64, 64, (16, 3, 3, 3)).astype(np.int8)
    constants["w2"] = random.integers(-64, 64, (16, 16, 3, 3)).astype(np.int8)
    make, value = helper.make_node, helper.make_tensor_value_info
    image = value("image", TensorProto.INT8, [1, 256, 256, 3]) if pixels else value("image", TensorProto.FLOAT, [1, 3, 256, 256])
    start = {
        "": [make("QuantizeLinear", ["image", "s", "z"], ["q"]), make("DequantizeLinear", ["q", "s", "z"], ["x"])],
        "before": [
            make("Transpose", ["image"], ["q"], perm=[0, 3, 1, 2]), make("DequantizeLinear", ["q", "s", "z"], ["x"])
        ],
        "behind": [
            make("DequantizeLinear", ["image", "s", "z"], ["d"]), make("Transpose", ["d"], ["x"], perm=[0, 3, 1, 2])
        ],
    }[pixels]
    nodes = [
        *start,
        make("DequantizeLinear", ["w1", "ws", "wz"], ["dw1"], axis=0),
        make("Conv", ["x", "dw1"], ["y1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("Relu", ["y1"], ["r"]),
        make("QuantizeLinear", ["r", "s", "zu"], ["rq"]),
        make("DequantizeLinear", ["rq", "s", "zu"], ["rd"]),
        make("DequantizeLinear", ["w2", "ws", "wz"], ["dw2"], axis=0),
        make("Conv", ["rd", "dw2"], ["y"], pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes, "g", [image], [value("y", TensorProto.FLOAT, [1, 16, 128, 128])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return ov.Core().read_model(model.SerializeToString())


def with_pixels(model):
    steps = ov.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean([123.7, 116.3, 103.5]).scale([58.4, 57.1, 57.4])
    return steps.build()


def executed(model):
    """Whether the compiled graph computes the first convolution in float, and the changes of layout before it."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    changes = 0
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = str(info["layerType"].astype(str))
        if kind == "Convolution":
            return "f" in str(info["runtimePrecision"].astype(str)), changes
        changes += kind in ("Transpose", "Reorder") and not node.get_friendly_name().endswith("_fake")  # of another name only


print("openvino", ov.__version__)
results = {
    "uint8 pixels by PrePostProcessor": executed(with_pixels(network(""))),
    "int8 pixels, Transpose before the dequantisation": executed(network("before")),
    "int8 pixels, Transpose behind the dequantisation": executed(network("behind")),
}
for way, (in_float, changes) in results.items():
    print(f"{way}: convolution in {'float' if in_float else 'int8'}, {changes} changes of layout before it")
as_described = list(results.values()) == [(False, 2), (True, 2), (False, 0)]
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PY
