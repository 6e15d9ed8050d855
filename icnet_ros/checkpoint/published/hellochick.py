"""Weights of hellochick/ICNet-tensorflow: .npy, a pickled dictionary of arrays."""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from icnet_ros.checkpoint.published.caffe import caffe_names
from icnet_ros.checkpoint.published.units import Array, BatchNorm, Unit, missing
from icnet_ros.checkpoint.spec import CheckpointError

HEADS = {"aux16": "sub4_out", "aux8": "sub24_out", "cls": "conv6_cls"}
NORM = ("scale", "offset", "mean", "variance")
# Everything that pickled arrays need. Python 2 and different versions of numpy use different names for it.
ALLOWED = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy", "numpy.core.numeric")
    for name in ("_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer")
} | {("_codecs", "encode")}


class _ArraysOnly(pickle.Unpickler):
    """Builds arrays, dictionaries, lists, numbers and strings; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, which arrays do not need")
        if name == "encode":
            import _codecs

            return _codecs.encode
        return super().find_class(module.replace("numpy.core", "numpy._core") if _has_core() else module, name)


def _has_core() -> bool:
    return hasattr(np, "_core")


def read_npy(content: bytes, source: str) -> dict[str, dict[str, Array]]:
    """Arrays by layer and role. Raises CheckpointError, also for a file whose pickle holds more than arrays."""
    stream = io.BytesIO(content)
    try:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        layers: Any = _ArraysOnly(stream, encoding="latin1").load()
        if isinstance(layers, np.ndarray):
            layers = layers.item()
        return {
            str(name): {str(role): np.asarray(value, np.float32) for role, value in values.items()}
            for name, values in layers.items()
        }
    except Exception as err:  # unpickling a damaged file raises many exception types
        raise CheckpointError(f"{source}: not a dictionary of arrays ({type(err).__name__}: {err})") from err


def units_of(layers: Mapping[str, Mapping[str, Array]], source: str) -> tuple[dict[str, Unit], list[str]]:
    """Layers of ICNet, and the names of those in the file that it does not use. Raises CheckpointError."""
    names = caffe_names()
    if lacking := [name for name in (*names.values(), HEADS["cls"]) if "weights" not in layers.get(name, {})]:
        raise missing(lacking, source)
    units, used = {}, set()
    for ours, name in {**names, **HEADS}.items():
        if "weights" not in layers.get(name, {}):
            continue
        values, norm = layers[name], layers.get(f"{name}_bn")
        used |= {name, f"{name}_bn"}
        if norm is not None and (lacking := [f"{name}_bn/{role}" for role in NORM if role not in norm]):
            raise missing(lacking, source)
        units[ours] = Unit(
            values["weights"].transpose(3, 2, 0, 1) if values["weights"].ndim == 4 else values["weights"],  # from HWIO
            values.get("biases"),
            None if norm is None else BatchNorm(*(norm[role].reshape(-1) for role in NORM)),
        )
    return units, sorted(layers.keys() - used)
