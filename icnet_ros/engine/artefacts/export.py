"""ONNX files of a checkpoint, with dynamic frame and batch size, and the check of what is converted from them."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.adapter.probe import probe_sizes
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.int8 import int8_file
from icnet_ros.engine.artefacts.onnx_adapter import FORMAT as ADAPTER
from icnet_ros.engine.artefacts.onnx_adapter import adapt
from icnet_ros.engine.artefacts.onnx_graph import build_graph
from icnet_ros.engine.base import EngineError, EngineOptions

FORMAT = 3
# (batch, height, width), odd and even, below and above the pyramid's windows: detects networks with a fixed size.
CHECKED = ((1, 96, 128), (2, 65, 97), (1, 129, 290))
LEAST_ALIKE = 0.95  # share of the labels of an ONNX network that a conversion must keep, on noise


def onnx_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """The ONNX file of a checkpoint and exit, from the cache or made now. Raises EngineError, CheckpointError."""
    key = {"format": str(FORMAT), **identity(checkpoint, exit_)}
    if checkpoint.spec.architecture == "onnx":
        return cached_file("network with our input and output", "onnx", key, lambda path: adapt(checkpoint, path))
    return cached_file("ONNX file", "onnx", key, lambda path: export_onnx(checkpoint, exit_, path))


def identity(checkpoint: Checkpoint, exit_: str) -> dict[str, str]:
    """Cache key of a network: hash of the checkpoint, exit."""
    if checkpoint.spec.architecture == "onnx":
        return {"network": checkpoint.sha256, "adapter": str(ADAPTER)}
    return {"checkpoint": checkpoint.sha256 or _digest(checkpoint), "exit": exit_}


def onnx_for(checkpoint: Checkpoint, options: EngineOptions) -> Path:
    """The ONNX file for an engine with these options. Raises EngineError, CheckpointError."""
    checkpoint.check_exits([options.exit])
    return (int8_file if options.precision == "int8" else onnx_file)(checkpoint, options.exit)


def export_onnx(checkpoint: Checkpoint, exit_: str, path: Path) -> None:
    """Write `image` float32 (N, 3, H, W), normalised -> `logits` (N, h, w, classes); N, H and W are dynamic.

    Needs no torch. Raises EngineError for the official pyramid windows, which fit one size only, CheckpointError.
    """
    import onnx

    checkpoint.check_exits([exit_])
    if checkpoint.spec.windows != "adaptive":
        raise EngineError(
            f"{checkpoint.name}: only the adaptive pyramid windows can be exported for any size; set engine to torch"
        )
    onnx.save(build_graph(checkpoint.spec, checkpoint.arrays(), exit_), path)


def check_conversion(checkpoint: Checkpoint, exit_: str, path: Path, tolerance: float) -> None:
    """Raise EngineError unless a network that was converted from `onnx_file` gives the same as that.

    tolerance: largest difference of a logit, relative to the largest logit; compared at the sizes in CHECKED. ONNX
    networks: the labels are compared, as logits of those that give labels or probabilities jump.
    """
    import onnxruntime

    original = onnx_file(checkpoint, exit_)
    if checkpoint.spec.architecture == "onnx":
        _check_labels(checkpoint, original, path)
        return
    generator = np.random.default_rng(0)
    for frames, height, width in CHECKED:
        image = generator.normal(0, 60, (frames, 3, height, width)).astype(np.float32)
        expected, actual = (_run(file, image) for file in (original, path))
        limit = tolerance * np.abs(expected).max()
        if actual.shape != expected.shape or not np.abs(actual - expected).max() <= limit:  # NaN is not, either
            raise EngineError(
                f"{checkpoint.name}: its conversion is wrong at {width}x{height} (ONNX Runtime "
                f"{onnxruntime.__version__}); set precision to fp32, and please report it"
            )


def _check_labels(checkpoint: Checkpoint, original: Path, path: Path) -> None:
    """Raise EngineError unless both networks give nearly the same labels, on noise."""
    spec = checkpoint.spec
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, *probe_sizes(spec)[0]))
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (spec.mean, spec.std))
    image = ((pixels - mean) / std).astype(np.float32)
    expected, actual = (_run(file, image) for file in (original, path))
    same = float((actual.argmax(-1) == expected.argmax(-1)).mean())
    if np.isnan(expected).any() or np.isnan(actual).any() or same < LEAST_ALIKE:
        raise EngineError(
            f"{checkpoint.path}: only {same:.1%} of its labels are the same in this precision; set precision to fp32"
        )


def _run(path: Path, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits of a network whose input may be float16."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    logits: npt.NDArray[np.float32] = session.run(None, {"image": image.astype(dtype)})[0].astype(np.float32)
    return logits


def _digest(checkpoint: Checkpoint) -> str:
    """SHA-256 of spec and weights, for a checkpoint without a file."""
    digest = hashlib.sha256(checkpoint.spec.to_json().encode())
    for key, value in sorted(checkpoint.arrays().items()):
        digest.update(value.tobytes() + key.encode())
    return digest.hexdigest()
