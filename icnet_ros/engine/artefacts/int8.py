"""int8 networks: ONNX files with QDQ nodes, beside the checkpoint that they were calibrated for."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.onnx_file import INT8_KEY
from icnet_ros.engine.artefacts.cache import cached_file, write_atomically
from icnet_ros.engine.artefacts.onnx_metadata import read_metadata
from icnet_ros.engine.base import EngineError

if TYPE_CHECKING:
    import onnx

METADATA_KEY = INT8_KEY


def int8_path(checkpoint: Checkpoint, exit_: str) -> Path:
    """Where `icnet quantize` writes and the engines look: MODEL.EXIT.int8.onnx beside MODEL.safetensors.

    Raises EngineError for random weights, which are no file.
    """
    if checkpoint.path is None:
        raise EngineError(f"{checkpoint.name} is no file, so there is no int8 file beside it: set precision to fp32")
    return checkpoint.path.with_suffix(f".{exit_}.int8.onnx")


def int8_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """The calibrated network of a checkpoint and exit. Raises EngineError, see `int8_metadata`."""
    int8_metadata(checkpoint, exit_)
    return int8_path(checkpoint, exit_)


def int8_metadata(checkpoint: Checkpoint, exit_: str) -> dict[str, Any]:
    """What `icnet quantize` wrote into the network of a checkpoint and exit; the package onnx is not needed.

    Raises EngineError if there is no such file, if it cannot be read or if it belongs to other weights.
    """
    path = int8_path(checkpoint, exit_)
    advice = f"icnet quantize --model {checkpoint.path} --exit {exit_} --data DATASET"
    if not path.exists():
        raise EngineError(f"precision int8 needs {path}: make it with {advice}, or set precision to fp32")
    try:
        metadata = json.loads(read_metadata(path)[METADATA_KEY])
    except OSError as err:
        raise EngineError(f"{path}: {err.strerror or err}; {advice}") from err
    except (ValueError, KeyError, RecursionError) as err:
        raise EngineError(f"{path}: not from icnet quantize, or damaged ({type(err).__name__}): {advice}") from err
    if not isinstance(metadata, dict) or metadata.get("sha256") != checkpoint.sha256:
        raise EngineError(f"{path}: calibrated for other weights than {checkpoint.path} has now: {advice}")
    return metadata


def belongs(checkpoint: Checkpoint, exit_: str) -> bool:
    """Whether there is a calibrated network of this checkpoint and exit; one of other weights is not."""
    try:
        int8_metadata(checkpoint, exit_)
    except EngineError:
        return False
    return True


def signed_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """`int8_file` with signed activations, from the cache or converted now. Raises EngineError.

    TensorRT does not support uint8 and would read 0..255 as -128..127.
    """
    path = int8_file(checkpoint, exit_)

    def rewrite(target: Path) -> None:
        import onnx

        model = onnx.load(path)
        make_signed(model)
        onnx.save(model, target)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return cached_file("int8 network for TensorRT", "onnx", {"signed": "1", "int8": digest}, rewrite)


def make_signed(model: "onnx.ModelProto") -> None:
    """Convert uint8 quantizers with zero point 0 to int8 of the same range: 255 steps become 127."""
    import onnx

    constants = {entry.name: entry for entry in model.graph.initializer}
    converted: set[str] = set()
    del model.graph.value_info[:]  # contains the old types (uint8); can be inferred
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        _, scale, zero = node.input
        zeros = onnx.numpy_helper.to_array(constants[zero])
        if zeros.dtype != np.uint8:
            continue
        if zeros.any():
            raise EngineError(f"{node.name}: zero point {zeros.max()}; only symmetric quantizers can be made signed")
        for name, value in (
            (scale, onnx.numpy_helper.to_array(constants[scale]) * np.float32(255 / 127)),
            (zero, zeros.astype(np.int8)),
        ):
            if name not in converted:
                model.graph.initializer.append(onnx.numpy_helper.from_array(value, f"{name}.signed"))
                converted.add(name)
        node.input[1], node.input[2] = f"{scale}.signed", f"{zero}.signed"


def rebind(before: Checkpoint, after: Checkpoint, exit_: str) -> None:
    """Let the int8 file of `before` belong to `after`, the same weights with another header, in the same place.

    Raises EngineError if it did not belong to `before`.
    """
    import onnx

    metadata = int8_metadata(before, exit_)
    model = onnx.load(int8_path(before, exit_))
    describe(model, {**metadata, "sha256": after.sha256})
    write_atomically(int8_path(after, exit_), model.SerializeToString())


def describe(model: "onnx.ModelProto", metadata: Mapping[str, Any]) -> None:
    """Write `metadata` into the file: `sha256` of the checkpoint, and where the calibration came from.

    What else the file says of itself stays, such as the tail of a network that is not ICNet.
    """
    import onnx

    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, METADATA_KEY: json.dumps(dict(metadata))})
