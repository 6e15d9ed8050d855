"""Cache of the files that engines build from a checkpoint; rebuilt when an input changes."""

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
from time import monotonic
from uuid import uuid4

from icnet_ros.engine.artefacts.cache_entries import cache_folder, mark_used, trim
from icnet_ros.files import read_text

log = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CANNOT_KEEP = "cannot keep files in %s (%s): they are rebuilt at every start; set ICNET_CACHE to a writable folder"


def cached_file(what: str, kind: str, key: Mapping[str, str], build: Callable[[Path], None]) -> Path:
    """Path of the cached file for `key`, with suffix `.KIND`; built if it is missing or invalid.

    what: for the log, e.g. "ONNX export". A .json file beside it holds the key, the hash of the content, what it is
    and how long the build took. A file that is truncated, was
    changed or belongs to another key is rebuilt, and the reason is logged. `build` writes to the path
    it is given; the file is then moved into the cache atomically.
    """
    description = json.dumps(dict(key), sort_keys=True)
    name = hashlib.sha256(description.encode()).hexdigest()[:24]
    path = cache_folder() / f"{name}.{kind}"  # may be read-only
    reason = _defect(path, key)
    if reason and (folder := writable_folder()) != path.parent:
        path = folder / path.name
        reason = _defect(path, key)
    if not reason:
        log.info("using %s", path)
        mark_used(path)
        return path
    log.info("building the %s, %s (%s)%s", what, path, reason, _last_duration(what, path.parent))
    begun = monotonic()
    try:
        _make(what, path, key, build)
    except OSError as err:
        temporary = _for_this_process() / path.name
        if err.errno not in FULL or temporary == path:
            raise
        log.warning(CANNOT_KEEP, path.parent, err)
        _make(what, temporary, key, build)
        return temporary
    log.info("built the %s in %.1f s", what, monotonic() - begun)
    trim()
    return path


def _last_duration(what: str, folder: Path) -> str:
    """How long the newest build of this kind took, for the log; empty if there was none."""
    durations: dict[float, float] = {}
    for path in folder.glob("*.json"):
        try:
            described = json.loads(read_text(path))
            if described["what"] == what:
                durations[path.stat().st_mtime] = float(described["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return f"; the last one took {durations[max(durations)]:.1f} s" if durations else ", which may take a while"


def _make(what: str, path: Path, key: Mapping[str, str], build: Callable[[Path], None]) -> None:
    temporary = _temporary(path)
    sidecar = temporary.with_suffix(".json")
    begun = monotonic()
    try:
        build(temporary)
        seconds = monotonic() - begun
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        described = {"what": what, "seconds": round(seconds, 2), "key": dict(key), "sha256": digest}
        sidecar.write_text(json.dumps(described, indent=2) + "\n")
        for file in (temporary, sidecar):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
        sidecar.replace(path.with_suffix(".json"))
    finally:
        temporary.unlink(missing_ok=True)
        sidecar.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: it is complete or absent."""
    temporary = _temporary(path)
    temporary.write_bytes(content)
    temporary.replace(path)


def _temporary(path: Path) -> Path:
    """A name of its own beside `path`: two processes, perhaps in two containers, can build the same file at once."""
    return path.with_name(f".{uuid4().hex}.{path.name}")


def writable_folder() -> Path:
    """The cache folder or, if it is not writable, a temporary one of this process; then logs a warning."""
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
        metadata = json.loads(read_text(path.with_suffix(".json")))
        if metadata["key"] != dict(key):
            return "it was made from something else"
        if metadata["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
            return "its content is not what was written"
    except (OSError, ValueError, KeyError, TypeError) as err:
        return f"its description cannot be read ({type(err).__name__})"
    return ""
