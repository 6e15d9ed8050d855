"""Tensors of a .safetensors checkpoint as numpy arrays, without torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize

from icnet_ros.checkpoint.definition import tensor_shapes
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.files import read_bytes

Array = npt.NDArray[Any]
# As safetensors names them; all are stored little-endian. bfloat16, which numpy has not, is read as integers.
FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
BFLOAT16 = "BF16"
INTEGERS = {"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "I64": "<i8"}


def read_weights(path: Path, spec: ModelSpec, sha256: str) -> dict[str, Array]:
    """Tensors by name, floating-point ones as float32; names, shapes and values are those that `spec` needs.

    sha256: of the file when its header was read. Raises CheckpointError that names the file and what is wrong.
    """
    try:
        content = read_bytes(path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CheckpointError(f"{path}: was replaced while it was being read, as by a training; try again")
        stored: dict[str, dict[str, Any]] = dict(deserialize(content))  # type: ignore[no-untyped-call]
        expected = tensor_shapes(spec)
    except OSError as err:
        raise CheckpointError(f"{path}: cannot be read: {err.strerror or err}") from err
    except SafetensorError as err:
        raise CheckpointError(f"{path}: not a whole safetensors file ({err}); fetch it again") from err
    except CheckpointError:
        raise
    except ValueError as err:  # a width that leaves a fraction of a channel
        raise CheckpointError(f"{path}: {err}") from err
    for what, keys in (("lacks", expected.keys() - stored.keys()), ("has unknown", stored.keys() - expected.keys())):
        if keys:
            raise CheckpointError(
                f"{path}: {what} {len(keys)} tensors of a width {spec.width:g} {spec.architecture} with "
                f"{len(spec.classes)} classes and exits {', '.join(spec.exits)}, first {min(keys)!r}"
            )
    weights: dict[str, Array] = {}
    for key, tensor in stored.items():
        shape = tuple(tensor["shape"])
        if shape != expected[key]:
            raise CheckpointError(
                f"{path}: tensor {key!r} has shape {shape}, "
                f"its header (width {spec.width:g}, {len(spec.classes)} classes) needs {expected[key]}"
            )
        weights[key] = _array(path, key, tensor).reshape(shape)
        if weights[key].dtype == np.float32:
            if not np.isfinite(weights[key]).all():
                raise CheckpointError(f"{path}: tensor {key!r} holds NaN or infinity; the training diverged")
            if key.endswith(".running_var") and (weights[key] < 0).any():
                raise CheckpointError(f"{path}: tensor {key!r} is a variance and has negative values; it is damaged")
    return weights


def replace_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    """A safetensors file with other metadata; its tensors stay as they are stored."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length]) | {"__metadata__": metadata}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _array(path: Path, key: str, tensor: dict[str, Any]) -> Array:
    kind, data = tensor["dtype"], tensor["data"]
    if kind in FLOATS:
        return np.frombuffer(data, FLOATS[kind]).astype(np.float32)
    if kind == BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if kind in INTEGERS:
        return np.frombuffer(data, INTEGERS[kind]).copy()
    raise CheckpointError(f"{path}: tensor {key!r} is stored as {kind}; icnet_ros reads float16, bfloat16, float32")
