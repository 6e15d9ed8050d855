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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from icnet_ros.checkpoint.file import load_spec
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.share import share

FOLDER, MIRROR = "ICNET_MODELS", "ICNET_MODEL_MIRROR"  # environment variables
INDEX = "index.yaml"
STATE = "state.safetensors"  # of a training, beside its checkpoint
BLOCK, TIMEOUT_S = 1 << 20, 30.0
MAX_INDEX = 1 << 20  # bytes


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
        for suffix in (".safetensors", ".onnx"):
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
            for name, entry in yaml.safe_load(text)["models"].items()
        }
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as err:
        raise CheckpointError(f"{where}: not an index of models ({type(err).__name__}: {err})") from err
    for model in models.values():
        for file in model.files:
            if Path(file.name).name != file.name or file.name.startswith("."):
                raise CheckpointError(f"{where}: {file.name!r} is not the name of a file")
        if not model.files:
            raise CheckpointError(f"{where}: model {model.name} has no files")
    return models


def shipped_index() -> dict[str, ModelEntry]:
    """The index that is installed with this package; empty if there is none."""
    path = share("models", INDEX)
    return read_index(path.read_text(), str(path)) if path.is_file() else {}


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
                {"name": one.name, "bytes": one.stat().st_size, "sha256": hashlib.sha256(one.read_bytes()).hexdigest()}
                for one in files
            ],
        }
    if not models:
        raise CheckpointError(f"{folder}: no .safetensors checkpoint in this folder")
    return yaml.safe_dump({"models": models}, sort_keys=False, width=120)


def pull(name: str, mirror: str, folder: Path, progress: Callable[[str, int, int], None]) -> Path:
    """Download a model from a mirror into `folder`; returns its checkpoint.

    Files that are there already with the right hash are kept. mirror: folder or http(s) address. A model of the
    shipped index must have its hashes, any other those of the mirror's index. Raises CheckpointError.
    """
    if not mirror:
        raise CheckpointError(f"there is no default mirror: name a folder or an address with --mirror or {MIRROR}")
    models = shipped_index()
    if name not in models:
        text = b"".join(_read(mirror, INDEX, MAX_INDEX)).decode(errors="replace")
        models = read_index(text, f"{mirror.rstrip('/')}/{INDEX}")
    if name not in models:
        raise CheckpointError(f"no model {name!r}; {mirror} has {', '.join(models)}")
    folder.mkdir(parents=True, exist_ok=True)
    for file in models[name].files:
        target = folder / file.name
        if not (target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == file.sha256):
            _download(mirror, file, target, progress)
    return folder / models[name].files[0].name


def _download(mirror: str, file: ModelFile, target: Path, progress: Callable[[str, int, int], None]) -> None:
    digest, done = hashlib.sha256(), 0
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        with temporary.open("wb") as written:
            for block in _read(mirror, file.name, file.bytes):
                written.write(block)
                digest.update(block)
                done += len(block)
                progress(f"downloading {file.name}", done, file.bytes)
        if digest.hexdigest() != file.sha256:
            raise CheckpointError(f"{mirror}: {file.name} is not the file of the index (its hash differs); not kept")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _read(mirror: str, name: str, limit: int) -> Iterator[bytes]:
    """Blocks of a file of a mirror. Raises CheckpointError if it cannot be read or is larger than `limit` bytes."""
    import http.client  # these take 30 ms, and most runs download nothing
    import urllib.request

    place = f"{mirror.rstrip('/')}/{name}"
    try:
        source = (
            urllib.request.urlopen(place, timeout=TIMEOUT_S)  # noqa: S310  only http and https come here
            if mirror.startswith(("http://", "https://"))
            else Path(mirror).expanduser().joinpath(name).open("rb")
        )
        with source:
            total = 0
            while block := source.read(BLOCK):
                total += len(block)
                if total > limit:
                    raise CheckpointError(f"{place}: larger than the {limit} bytes it should have")
                yield block
    except CheckpointError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as err:  # also urllib.error.URLError
        reason = getattr(err, "reason", None) or getattr(err, "strerror", None) or err
        raise CheckpointError(f"{place}: cannot be read: {reason}") from err
