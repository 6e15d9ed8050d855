#!/usr/bin/env bash
# safetensors: the low-level `serialize` of 0.7.0 takes tensors as {"dtype", "shape", "data"}; 0.8.0 refuses the same
# valid call with a TypeError and wants objects of its own class TensorSpec. `deserialize` is the same in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.7.0 0.8.0; do
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$folder/$version" "safetensors==$version"
  PYTHONPATH="$folder/$version" python3 - "$version" <<'PY'
import sys

import safetensors

version = sys.argv[1]
assert safetensors.__version__ == version
try:
    written = safetensors.serialize({"a": {"dtype": "float32", "shape": [1], "data": bytes(4)}}, {"key": "value"})
    said = f"{len(written)} bytes, read back: {safetensors.deserialize(written)}"
except TypeError as err:
    said = f"TypeError: {err}"
print(f"safetensors {version}: {said}")
sys.exit(said.startswith("TypeError") != (version == "0.8.0"))
PY
done
