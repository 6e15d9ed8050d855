"""Figures in the header of a checkpoint that has int8 files beside it."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from icnet_ros.checkpoint import ladder
from icnet_ros.checkpoint.file import Checkpoint, open_checkpoint, replace_spec
from icnet_ros.engine.artefacts.int8 import belongs, rebind
from icnet_ros.engine.base import EngineError
from icnet_ros.packages import needed_for


def update_metrics(checkpoint: Checkpoint, metrics: Mapping[str, Any]) -> None:
    """Add metrics to the header of the checkpoint's file; the int8 files beside it belong to it as before.

    Figures of an earlier evaluation are replaced; the ladder stays. Raises EngineError for a network that is no
    .safetensors file, and if the file is no longer that of the checkpoint.
    """
    path = checkpoint.path
    if path is None or path.suffix != ".safetensors":
        raise EngineError(f"{checkpoint.name}: only a .safetensors checkpoint has a header for figures")
    if sha256(path.read_bytes()).hexdigest() != checkpoint.sha256:
        raise EngineError(f"{path}: was changed after it was read, so the figures are not its own; nothing is stored")
    spec = checkpoint.spec
    calibrated = [exit_ for exit_ in spec.exits if belongs(checkpoint, exit_)]
    if calibrated:  # before anything is changed
        with needed_for("writing into the int8 files beside it", EngineError):
            import onnx  # noqa: F401
    kept = {name: value for name, value in spec.metrics.items() if "miou" not in metrics or name == ladder.KEY}
    replace_spec(path, replace(spec, metrics={**kept, **metrics}))
    stored = open_checkpoint(path)
    for exit_ in calibrated:
        rebind(checkpoint, stored, exit_)
