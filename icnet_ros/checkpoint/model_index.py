"""Models by name: those that are shipped, those that were downloaded, and the index that lists them with their hashes.

An index is `index.yaml` in a folder of models:

    models:
      icnet_street:
        description: 19 classes of Cityscapes
        files:
          - {name: icnet_street.safetensors, bytes: 13623516, sha256: a9ae15de...}

A mirror is such a folder, on a disk or on a web server.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from icnet_ros.checkpoint.file import load_spec
from icnet_ros.checkpoint.mirror import download, read_blocks, remove_parts
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.documents import DocumentError, parse_yaml
from icnet_ros.files import read_bytes, read_text
from icnet_ros.share import share

FOLDER, MIRROR = "ICNET_MODELS", "ICNET_MODEL_MIRROR"  # environment variables
INDEX = "index.yaml"
STATE = "state.safetensors"  # of a training, beside its checkpoint
MAX_INDEX = 1 << 20  # bytes
MAX_NAME = 100  # characters
SUFFIXES = (".safetensors", ".onnx")


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: its name without folder, size and hash."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ModelEntry:
    """A model of an index; the first file is its checkpoint."""

    name: str
    description: str
    files: tuple[ModelFile, ...]


def download_folder() -> Path:
    """Where downloaded models lie: $ICNET_MODELS, else icnet_ros/models in the user's data folder."""
    if folder := os.environ.get(FOLDER):
        return Path(folder).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "icnet_ros" / "models"


def find_model(name: str) -> Path | None:
    """The checkpoint of a model by name, shipped or downloaded; None if it is not on this machine."""
    for folder in (share("models"), download_folder()):
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def read_index(text: str, where: str) -> dict[str, ModelEntry]:
    """Models of an index by name. Raises CheckpointError if it is not one."""
    try:
        models = {
            str(name): ModelEntry(
                str(name),
                str(entry.get("description", "")),
                tuple(ModelFile(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in entry["files"]),
            )
            for name, entry in parse_yaml(text, where)["models"].items()
        }
    except DocumentError as err:
        raise CheckpointError(f"not an index of models: {err}") from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise CheckpointError(f"{where}: not an index of models ({type(err).__name__}: {err})") from err
    for model in models.values():
        if not _is_file_name(model.name):
            raise CheckpointError(f"{where}: {model.name!r} is not the name of a model: letters, digits, - and _")
        for file in model.files:
            if not _is_file_name(file.name):
                raise CheckpointError(f"{where}: {file.name!r} is not the name of a file")
        if not model.files:
            raise CheckpointError(f"{where}: model {model.name} has no files")
    return models


def _is_file_name(name: str) -> bool:
    return Path(name).name == name and not name.startswith((".", "~")) and name.isprintable() and len(name) <= MAX_NAME


def _check_files(model: ModelEntry, where: str) -> None:
    """Raise CheckpointError unless the files can be kept under the model's name, and can be checked."""
    first = Path(model.files[0].name)
    if first.suffix not in SUFFIXES:
        raise CheckpointError(f"{where}: {first} is not a model, which ends with {' or '.join(SUFFIXES)}")
    for file in model.files:
        if file.name != first.name and not file.name.startswith(f"{first.stem}."):
            raise CheckpointError(f"{where}: {file.name} is no file of {first}, whose names begin alike")
        if not re.fullmatch(r"[0-9a-f]{64}", file.sha256) or file.bytes < 0:
            raise CheckpointError(f"{where}: {file.name} has no size and SHA-256")


def shipped_index() -> dict[str, ModelEntry]:
    """The index that is installed with this package; empty if there is none."""
    path = share("models", INDEX)
    return read_index(read_text(path, MAX_INDEX), str(path)) if path.is_file() else {}


def make_index(folder: Path) -> str:
    """Text of the index of all checkpoints in a folder, with the int8 files beside them. Raises CheckpointError."""
    models: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == STATE:
            continue
        spec = load_spec(path)
        files = [path, *sorted(folder.glob(f"{path.stem}.*.int8.onnx"))]
        models[path.stem] = {
            "description": f"{len(spec.classes)} classes of {spec.classes.name}, width {spec.width:g}",
            "files": [
                {"name": one.name, "bytes": one.stat().st_size, "sha256": hashlib.sha256(read_bytes(one)).hexdigest()}
                for one in files
            ],
        }
    if not models:
        raise CheckpointError(f"{folder}: no .safetensors checkpoint in this folder")
    return yaml.safe_dump({"models": models}, sort_keys=False, width=120)


def pull(name: str, mirror: str, folder: Path, progress: Callable[[str, int, int], None]) -> Path:
    """Download a model from a mirror into `folder`; returns its checkpoint, which has the name of the model.

    Files that are there already with the right hash are kept. mirror: folder or http(s) address. A model of the
    shipped index must have its hashes, any other those of the mirror's index. Raises CheckpointError, OSError.
    """
    if not mirror:
        raise CheckpointError(f"there is no default mirror: name a folder or an address with --mirror or {MIRROR}")
    models, where = shipped_index(), f"{mirror.rstrip('/')}/{INDEX}"
    if name not in models:
        text = b"".join(read_blocks(mirror, INDEX, MAX_INDEX)).decode(errors="replace")
        models = read_index(text, where)
    if name not in models:
        raise CheckpointError(f"no model {name!r}; {mirror} has {', '.join(models)}")
    files = models[name].files
    _check_files(models[name], where)
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    stem = Path(files[0].name).stem
    targets = [folder / f"{name}{file.name.removeprefix(stem)}" for file in files]  # where it is found by name
    for file, target in zip(files, targets, strict=True):
        if not (target.is_file() and hashlib.sha256(read_bytes(target)).hexdigest() == file.sha256):
            download(mirror, file.name, file.bytes, file.sha256, target, progress)
    return targets[0]
