"""Which checkpoint is meant when nobody names one."""

from pathlib import Path

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import Checkpoint, load_spec, open_checkpoint, untrained
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.share import share

SHIPPED = "icnet_camvid.safetensors"
UNTRAINED_CLASSES = "camvid"


def model_path(model: str) -> Path | None:
    """Path `model`; for "" that of the shipped checkpoint, or None where none is shipped."""
    if model:
        return Path(model)
    shipped = share("models", SHIPPED)
    return shipped if shipped.exists() else None


def load_model(model: str) -> Checkpoint:
    """The checkpoint meant by `model`, random weights if there is none; its weights are read when
    they are needed. Raises CheckpointError then, too.
    """
    path = model_path(model)
    return open_checkpoint(path) if path else untrained(load_classes(UNTRAINED_CLASSES))


def load_model_spec(model: str) -> ModelSpec:
    """Its description alone, without torch. Raises CheckpointError."""
    path = model_path(model)
    return load_spec(path) if path else ModelSpec(load_classes(UNTRAINED_CLASSES))
