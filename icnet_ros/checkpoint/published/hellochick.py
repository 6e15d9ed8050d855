"""Weights of hellochick/ICNet-tensorflow: .npy, a pickled dictionary of arrays."""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from icnet_ros.checkpoint.published.caffe import caffe_names
from icnet_ros.checkpoint.published.units import Array, BatchNorm, Unit, missing
from icnet_ros.checkpoint.spec import CheckpointError

HEADS = {"aux16": "sub4_out", "aux8": "sub24_out", "cls": "conv6_cls"}
NORM = ("scale", "offset", "mean", "variance")
NUMBERS = {f"{kind}{size}" for kind, sizes in (("f", "248"), ("i", "1248"), ("u", "1248")) for size in sizes}


class _DType:
    """Stands for numpy.dtype in a pickle: its code, and the byte order from its state. Nothing else is taken."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """Stands for numpy.ndarray in a pickle: `value` is an array of numbers, or a list of objects."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if kind.code.startswith("O"):
            self.value = list(data)
        elif kind.code in NUMBERS:
            # Strings of Python 2 arrive decoded as Latin-1.
            flat = np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, kind.order + kind.code)
            self.value = flat.reshape(shape, order="F" if fortran else "C")
        else:
            raise pickle.UnpicklingError(f"arrays of type {kind.code!r} hold no weights")


def _encode(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin1")


MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and after numpy 2
STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(module, "_reconstruct"): lambda *_: _Array() for module in MULTIARRAY},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _ArraysOnly(pickle.Unpickler):  # noqa: S301  it builds nothing else
    """Builds dictionaries, lists, numbers, strings and `_Array`s; anything else is refused.

    numpy's own classes are not used: their pickled state can make them point anywhere.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, which arrays do not need")
        return STAND_INS[module, name]


def read_npy(content: bytes, source: str) -> dict[str, dict[str, Array]]:
    """Arrays by layer and role. Raises CheckpointError, also for a file whose pickle holds more than arrays."""
    stream = io.BytesIO(content)
    try:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        loaded: Any = _ArraysOnly(stream, encoding="latin1").load()
        (layers,) = loaded.value if isinstance(loaded, _Array) else [loaded]
        return {
            str(name): {str(role): np.asarray(value.value, np.float32) for role, value in values.items()}
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
            values["weights"].transpose(3, 2, 0, 1),  # from HWIO
            values.get("biases"),
            None if norm is None else BatchNorm(*(norm[role].reshape(-1) for role in NORM)),
        )
    return units, sorted(layers.keys() - used)
