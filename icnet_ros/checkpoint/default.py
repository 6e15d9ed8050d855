"""Which checkpoint is meant when nobody names one."""

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import Checkpoint, load, untrained
from icnet_ros.share import share

DEFAULT = "icnet_camvid.safetensors"


def load_model(model: str) -> Checkpoint:
    """The checkpoint at path `model`; for "" the shipped one, or random weights where none is shipped.

    Raises CheckpointError as `load` does.
    """
    if model:
        return load(model)
    shipped = share("models", DEFAULT)
    return load(shipped) if shipped.exists() else untrained(load_classes("camvid"))
