"""The default checkpoint."""

from pathlib import Path

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import Checkpoint, load_spec, open_checkpoint, untrained
from icnet_ros.checkpoint.model_index import find_model
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.share import share

SHIPPED = "icnet_street.safetensors"
UNTRAINED_CLASSES = "cityscapes"


def model_path(model: str) -> Path | None:
    """Path of a model: a file, with ~ expanded, or a name; for "" the shipped one, or None if there is none.

    Names are those of shipped and downloaded models, see `model_index`. Raises CheckpointError for an unknown name.
    """
    if model:
        path = Path(model).expanduser()
        if path.suffix in (".safetensors", ".onnx") or path.is_file() or len(path.parts) > 1:
            return path
        if found := find_model(model):
            return found
        if path.suffix or path.exists():
            return path
        raise CheckpointError(
            f"no file and no model {model!r}: see icnet model list, or name a .safetensors or .onnx file"
        )
    shipped = share("models", SHIPPED)
    return shipped if shipped.exists() else None


def load_model(model: str) -> Checkpoint:
    """The checkpoint at `model_path(model)`, or random weights if that is None.

    Weights are read on first access. Raises CheckpointError, also on that access.
    """
    path = model_path(model)
    return open_checkpoint(path) if path else untrained(load_classes(UNTRAINED_CLASSES))


def load_model_spec(model: str) -> ModelSpec:
    """The ModelSpec of the checkpoint that `load_model` returns; needs no torch. Raises CheckpointError."""
    path = model_path(model)
    return load_spec(path) if path else ModelSpec(load_classes(UNTRAINED_CLASSES))
