"""Figures in the header of a checkpoint that has int8 files beside it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from icnet_ros.checkpoint.file import Checkpoint, open_checkpoint, replace_spec
from icnet_ros.engine.artefacts.int8 import belongs, rebind
from icnet_ros.engine.base import EngineError


def update_metrics(checkpoint: Checkpoint, metrics: Mapping[str, Any]) -> None:
    """Add metrics to the header of the checkpoint's file; the int8 files beside it belong to it as before.

    Raises EngineError for a network that is no .safetensors file.
    """
    path = checkpoint.path
    if path is None or path.suffix != ".safetensors":
        raise EngineError(f"{checkpoint.name}: only a .safetensors checkpoint has a header for figures")
    spec = checkpoint.spec
    calibrated = [exit_ for exit_ in spec.exits if belongs(checkpoint, exit_)]
    replace_spec(path, replace(spec, metrics={**spec.metrics, **metrics}))
    stored = open_checkpoint(path)
    for exit_ in calibrated:
        rebind(checkpoint, stored, exit_)
