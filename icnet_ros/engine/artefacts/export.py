"""ONNX export of a checkpoint with dynamic frame and batch size, checked against torch."""

import hashlib
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.int8 import int8_file
from icnet_ros.engine.artefacts.onnx_adapter import adapt, probe_size
from icnet_ros.engine.base import EngineError, EngineOptions

FORMAT = 2
# (batch, height, width), odd and even, below and above the pyramid's windows: detects exports with a fixed size.
CHECKED = ((1, 96, 128), (2, 65, 97), (1, 129, 290))
LEAST_ALIKE = 0.95  # share of the labels of an ONNX network that a conversion must keep, on noise
TOLERANCE = 2e-3  # largest difference of a logit, relative to the largest logit


def onnx_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """The ONNX file of a checkpoint and exit, from the cache or exported now. Raises EngineError."""
    key = {"format": str(FORMAT), **identity(checkpoint, exit_)}
    if checkpoint.spec.architecture == "onnx":
        return cached_file("network with our input and output", "onnx", key, lambda path: adapt(checkpoint, path))
    return cached_file("ONNX export", "onnx", key, lambda path: export_onnx(checkpoint, exit_, path))


def identity(checkpoint: Checkpoint, exit_: str) -> dict[str, str]:
    """Cache key of an export: hash of the checkpoint, exit, torch version."""
    if checkpoint.spec.architecture == "onnx":
        return {"network": checkpoint.sha256}
    return {"checkpoint": checkpoint.sha256 or _digest(checkpoint), "exit": exit_, "torch": version("torch")}


def onnx_for(checkpoint: Checkpoint, options: EngineOptions) -> Path:
    """The ONNX file for an engine with these options. Raises EngineError, CheckpointError."""
    checkpoint.check_exits([options.exit])
    return (int8_file if options.precision == "int8" else onnx_file)(checkpoint, options.exit)


def export_onnx(checkpoint: Checkpoint, exit_: str, path: Path) -> None:
    """Write `image` float32 (N, 3, H, W), normalised -> `logits` (N, h, w, classes).

    N, H and W are dynamic. Raises EngineError if the logits of ONNX Runtime and torch differ at the sizes
    in CHECKED; nothing is left in the cache then.
    """
    import torch
    from torch import Tensor, nn

    from icnet_ros.network.fold import for_inference
    from icnet_ros.network.pyramid import exportable

    class Exported(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Tensor:
            logits: Tensor = self.network(image)[-1].permute(0, 2, 3, 1)
            return logits

    try:
        network = exportable(for_inference(checkpoint.network([exit_])))
    except ValueError as err:
        raise EngineError(f"{checkpoint.name}: {err}; set engine to torch") from err
    dynamic = {0: "frames", 1: "height", 2: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        # torch warns that this exporter is the old one and that sizes are traced; both are intended.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(network),
            (torch.zeros(1, 3, 96, 128),),
            str(path),
            dynamo=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "frames", 2: "height", 3: "width"}, "logits": dynamic},
            opset_version=17,
        )
    check_export(checkpoint, exit_, path, TOLERANCE)


def check_export(checkpoint: Checkpoint, exit_: str, path: Path, tolerance: float) -> None:
    """Raise EngineError if the logits of ONNX Runtime and torch differ by more than `tolerance`.

    tolerance: relative to the largest logit. Compared at the sizes in CHECKED. ONNX networks: see `_check_converted`.
    """
    import onnxruntime

    if checkpoint.spec.architecture == "onnx":
        _check_converted(checkpoint, exit_, path)
        return
    import torch

    network = checkpoint.network([exit_])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    generator = np.random.default_rng(0)
    for frames, height, width in CHECKED:
        image = generator.normal(0, 60, (frames, 3, height, width)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image))[-1].permute(0, 2, 3, 1).numpy()
        actual = session.run(None, {"image": image.astype(dtype)})[0].astype(np.float32)
        limit = tolerance * np.abs(expected).max()
        if actual.shape != expected.shape or not np.abs(actual - expected).max() <= limit:  # NaN is not, either
            raise EngineError(
                f"the ONNX export is wrong at {width}x{height} (torch {torch.__version__}, ONNX Runtime "
                f"{onnxruntime.__version__}); use engine torch, and please report it"
            )


def _check_converted(checkpoint: Checkpoint, exit_: str, path: Path) -> None:
    """Raise EngineError unless an ONNX network gives nearly the labels of its fp32 form, on noise.

    Logits cannot be compared: those of a network that gives labels or probabilities jump.
    """
    import onnxruntime

    spec = checkpoint.spec
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, *probe_size(spec)))
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (spec.mean, spec.std))
    image = (pixels - mean) / std
    labels, finite = [], True
    for file in (onnx_file(checkpoint, exit_), path):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        dtype = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
        logits = session.run(None, {"image": image.astype(dtype)})[0]
        finite &= not np.isnan(logits).any()
        labels.append(logits.argmax(-1))
    same = float((labels[0] == labels[1]).mean())
    if not finite or same < LEAST_ALIKE:
        raise EngineError(
            f"{checkpoint.path}: only {same:.1%} of its labels are the same in this precision; set precision to fp32"
        )


def _digest(checkpoint: Checkpoint) -> str:
    """SHA-256 of spec and weights, for a checkpoint without a file."""
    digest = hashlib.sha256(checkpoint.spec.to_json().encode())
    for key in sorted(checkpoint.weights):
        digest.update(checkpoint.weights[key].numpy().tobytes())
    return digest.hexdigest()
