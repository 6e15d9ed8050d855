#!/usr/bin/env bash
# tf2onnx 1.17.0 with keras 3.15.1 on tensorflow 2.21.0: convert.from_function makes the mean and the deviation of a Keras
# Normalization layer inputs of the network, two for each layer, beside the image; weights of other layers become initializers.
# No warning. The file does not run with the image alone, and its input is no longer the only one.
# Guess before: they are constants in the file, as mean and variance are given to the layer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 tf2onnx==1.17.0 onnxruntime==1.32.0
cat >"$folder/convert.py" <<'PY'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from importlib.metadata import version

import keras
import tensorflow as tf
import tf2onnx

print(*(f"{name} {version(name)}" for name in ("tf2onnx", "keras", "tensorflow-cpu")))
spec = [tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")]
found = {}
for name, layer in {
    "Normalization": keras.layers.Normalization(mean=[120.0, 115.0, 100.0], variance=[3600.0] * 3),
    "Rescaling": keras.layers.Rescaling([1 / 60] * 3, offset=[-2.0, -1.9, -1.7]),
}.items():
    network = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Conv2D(4, 1)])
    function = tf.function(lambda image: network(image), input_signature=spec)
    graph = tf2onnx.convert.from_function(function, input_signature=spec, opset=17)[0].graph
    found[name] = len(graph.input)
    print(f"{name}: inputs {[one.name for one in graph.input]}, {len(graph.initializer)} initializers")
raise SystemExit(found != {"Normalization": 3, "Rescaling": 1})
PY
"$folder/venv/bin/python" "$folder/convert.py" 2>/dev/null || { echo "this has changed"; exit 1; }
