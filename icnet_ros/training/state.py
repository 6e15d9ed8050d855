"""Training state for an exact resume, in one safetensors file."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from icnet_ros.documents import parse_json
from icnet_ros.files import check_regular, writing
from icnet_ros.training.errors import StateError


@dataclass
class State:
    """network and ema: state dicts. momentum: SGD buffers by parameter name. best: validation mIoU.

    made_from: what a training cannot change half-way beside its recipe: name -> hash or text. validated_on: hash of the
    validation split that `best` was measured on, "" if unknown.
    """

    step: int
    recipe: dict[str, Any]
    network: dict[str, Tensor]
    ema: dict[str, Tensor]
    momentum: dict[str, Tensor]
    best: float = 0.0
    made_from: dict[str, str] = field(default_factory=dict)
    validated_on: str = ""


def save_state(path: Path, state: State) -> None:
    """Write the state atomically."""
    groups = {"network": state.network, "ema": state.ema, "momentum": state.momentum}
    tensors = {
        f"{group}/{key}": value.detach().cpu().contiguous() for group, d in groups.items() for key, value in d.items()
    }
    header = {name: getattr(state, name) for name in ("step", "best", "recipe", "made_from", "validated_on")}
    header["sha256"] = _digest(tensors)
    temporary = path.with_name(f".{path.name}.part")
    with writing(path, "--out"), _os_errors():
        save_file(tensors, temporary, {"training": json.dumps(header)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def _os_errors() -> Iterator[None]:
    """Safetensors says "No space left on device (os error 28)" in an error of its own."""
    try:
        yield
    except SafetensorError as err:
        number = re.search(r"os error (\d+)", str(err))
        raise (OSError(int(number[1]), os.strerror(int(number[1]))) if number else err) from err


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and contents."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()


def load_state(path: Path) -> State:
    """Inverse of `save_state`. Raises StateError."""
    try:
        with safe_open(check_regular(path), "pt") as file:
            header = parse_json(file.metadata()["training"], str(path))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no dict)
        if header.get("sha256", "") != _digest(tensors):
            raise ValueError("its content is not what was written")
        groups: dict[str, dict[str, Tensor]] = {"network": {}, "ema": {}, "momentum": {}}
        for key, tensor in tensors.items():
            group, _, name = key.partition("/")
            groups[group][name] = tensor
        step, recipe, best = header["step"], header["recipe"], header["best"]
        tensors_by_group = groups["network"], groups["ema"], groups["momentum"]
        # Earlier versions did not write the last two.
        return State(step, recipe, *tensors_by_group, best, header.get("made_from", {}), header.get("validated_on", ""))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as err:
        raise StateError(
            f"{path}: not a training state ({type(err).__name__}: {err}); start a new training in another folder"
        ) from err
