"""Files made from a checkpoint for an engine, valid until anything they were made from changes."""

import atexit
import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp

log = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CANNOT_KEEP = "cannot keep files in %s (%s): they are made at every start; set ICNET_CACHE"


def cache_folder() -> Path:
    """$ICNET_CACHE, or icnet_ros below $XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("ICNET_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icnet_ros"


def artefact(kind: str, key: Mapping[str, str], build: Callable[[Path], None]) -> Path:
    """The file made for `key`, built if it is not there whole; ends in `.KIND`.

    Beside it lies a .json file with the key and the hash of the content. A file that is truncated, was
    changed or belongs to another key is built again, and the log says why. `build` writes to the
    path it is given; it appears in the cache whole or not at all.
    """
    description = json.dumps(dict(key), sort_keys=True)
    name = hashlib.sha256(description.encode()).hexdigest()[:24]
    path = cache_folder() / f"{name}.{kind}"  # may well be one that can be read only
    reason = _defect(path, key)
    if reason and (folder := writable_folder()) != path.parent:
        path = folder / path.name
        reason = _defect(path, key)
    if not reason:
        log.info("using %s", path)
        return path
    log.info("making %s, which may take a while: %s", path, reason)
    try:
        _make(path, key, build)
    except OSError as err:
        spare = _for_this_process() / path.name
        if err.errno not in FULL or spare == path:
            raise
        log.warning(CANNOT_KEEP, path.parent, err)
        _make(spare, key, build)
        return spare
    return path


def _make(path: Path, key: Mapping[str, str], build: Callable[[Path], None]) -> None:
    # The process is part of the name: two that start at once build the same file side by side.
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    sidecar = temporary.with_suffix(".json")
    try:
        build(temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        sidecar.write_text(json.dumps({"key": dict(key), "sha256": digest}, indent=2) + "\n")
        for file in (temporary, sidecar):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
        sidecar.replace(path.with_suffix(".json"))
    finally:
        temporary.unlink(missing_ok=True)
        sidecar.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)


def writable_folder() -> Path:
    """The cache folder, or one for this process alone where that cannot be written; the log says so then."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as err:
        log.warning(CANNOT_KEEP, folder, err)
        return _for_this_process()


@cache
def _for_this_process() -> Path:
    folder = Path(mkdtemp(prefix="icnet-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder


def _defect(path: Path, key: Mapping[str, str]) -> str:
    """Why the file cannot be used; empty if it can."""
    if not path.is_file():
        return "there is none yet"
    try:
        said = json.loads(path.with_suffix(".json").read_text())
        if said["key"] != dict(key):
            return "it was made from something else"
        if said["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
            return "its content is not what was written"
    except (OSError, ValueError, KeyError, TypeError) as err:
        return f"its description cannot be read ({type(err).__name__})"
    return ""
