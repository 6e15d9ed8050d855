"""A checkpoint as ONNX: any frame size, any batch, checked before it is used."""

import hashlib
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import artefact
from icnet_ros.engine.artefacts.int8 import int8_file
from icnet_ros.engine.base import EngineError, EngineOptions

FORMAT = 1
# Odd and even, below and above the pyramid's windows: an export that froze a size fails one of them.
CHECKED = ((1, 96, 128), (2, 65, 97), (1, 129, 290))
TOLERANCE = 2e-3  # largest difference of a logit, of the largest logit


def onnx_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """The ONNX file of a checkpoint and exit, out of the cache or made now. Raises EngineError."""
    key = {"format": str(FORMAT), **identity(checkpoint, exit_)}
    return artefact("onnx", key, lambda path: export_onnx(checkpoint, exit_, path))


def identity(checkpoint: Checkpoint, exit_: str) -> dict[str, str]:
    """What an export depends on."""
    return {"checkpoint": checkpoint.sha256 or _digest(checkpoint), "exit": exit_, "torch": version("torch")}


def onnx_for(checkpoint: Checkpoint, options: EngineOptions) -> Path:
    """The ONNX file for an engine with these options. Raises EngineError, CheckpointError."""
    checkpoint.check_exits([options.exit])
    return (int8_file if options.precision == "int8" else onnx_file)(checkpoint, options.exit)


def export_onnx(checkpoint: Checkpoint, exit_: str, path: Path) -> None:
    """Write `image` float32 (N, 3, H, W), normalised -> `logits` (N, h, w, classes).

    N, H and W are free. Raises EngineError if ONNX Runtime does not give torch's logits at the sizes
    in CHECKED; then nothing is left in the cache.
    """
    import torch
    from torch import Tensor, nn

    from icnet_ros.network.fold import fold_batch_norm
    from icnet_ros.network.pyramid import exportable

    class Exported(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Tensor:
            logits: Tensor = self.network(image)[-1].permute(0, 2, 3, 1)
            return logits

    folded = fold_batch_norm(checkpoint.network([exit_]))
    dynamic = {0: "frames", 1: "height", 2: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        # torch warns that this exporter is the old one and that sizes are traced; both are meant.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(exportable(folded)),
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
    """Raise EngineError if ONNX Runtime and torch differ, at any of several sizes, by a larger share of the largest
    logit than `tolerance`.
    """
    import onnxruntime
    import torch

    network = checkpoint.network([exit_])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    generator = np.random.default_rng(0)
    for frames, height, width in CHECKED:
        image = generator.normal(0, 60, (frames, 3, height, width)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image))[-1].permute(0, 2, 3, 1).numpy()
        given = session.run(None, {"image": image.astype(dtype)})[0].astype(np.float32)
        if given.shape != expected.shape or np.abs(given - expected).max() > tolerance * np.abs(expected).max():
            raise EngineError(
                f"the ONNX export is wrong at {width}x{height} (this torch is {torch.__version__}, ONNX Runtime "
                f"{onnxruntime.__version__}); use engine torch, and please report it"
            )


def _digest(checkpoint: Checkpoint) -> str:
    """Of the weights themselves, for a checkpoint that is no file."""
    digest = hashlib.sha256(checkpoint.spec.to_json().encode())
    for key in sorted(checkpoint.weights):
        digest.update(checkpoint.weights[key].numpy().tobytes())
    return digest.hexdigest()
