"""What is in the cache folder, and its limit: the least recently used entries are removed first."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from icnet_ros.engine.base import EngineError

log = logging.getLogger(__name__)
DEFAULT_MIB = 1024
MAX_ENTRIES = 64
ABANDONED_S = 24 * 3600.0  # a temporary file of this age belongs to a process that was killed
OPENVINO = "openvino"  # folder in the cache


@dataclass(frozen=True)
class CacheEntry:
    """A file or folder of the cache.

    paths: what belongs to it, the file or folder itself first. size: bytes. used: seconds since the epoch.
    """

    paths: tuple[Path, ...]
    size: int
    used: float

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self.paths[0].name


def cache_folder() -> Path:
    """$ICNET_CACHE, or icnet_ros below $XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("ICNET_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icnet_ros"


def openvino_folder() -> Path:
    """Where compiled OpenVINO networks are: one folder for each network and frame size."""
    return cache_folder() / OPENVINO


def limit_bytes() -> int:
    """Size limit of the cache folder, $ICNET_CACHE_MIB or DEFAULT_MIB. Raises EngineError if it is not a number."""
    text = os.environ.get("ICNET_CACHE_MIB") or str(DEFAULT_MIB)
    if not text.isdecimal():
        raise EngineError(f"ICNET_CACHE_MIB is {text!r}, it takes a whole number of MiB")
    return int(text) * 2**20


def mark_used(path: Path) -> None:
    """Make `path` the most recently used entry. A read-only cache stays as it is."""
    try:
        os.utime(path)
    except OSError:
        log.debug("cannot mark %s as used", path)


def entries() -> list[CacheEntry]:
    """All entries, the most recently used first. Temporary files are no entries."""
    found = [entry for path in _candidates() if (entry := _entry(path))]
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def trim() -> None:
    """Remove the least recently used entries beyond the limits; the newest one stays, whatever its size.

    Also removes temporary files that a killed process left. Errors are logged: the cache is not worth a failure.
    """
    total, limit = 0, limit_bytes()
    for number, entry in enumerate(entries()):
        total += entry.size
        if number and (number >= MAX_ENTRIES or total > limit):
            log.info("removing %s from the cache: not used for %.0f h", entry.name, (time.time() - entry.used) / 3600)
            _remove(entry)
    for path in _children(cache_folder()):
        with suppress(OSError):  # another process may rename or remove it meanwhile
            if path.name.startswith(".") and path.is_file() and time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


def clear() -> list[CacheEntry]:
    """Remove all entries; returns those that could be removed."""
    return [entry for entry in entries() if _remove(entry)]


def _candidates() -> Iterator[Path]:
    yield from (path for path in _children(cache_folder()) if path.is_file() and path.suffix != ".json")
    yield from _children(openvino_folder())


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _entry(path: Path) -> CacheEntry | None:
    if path.name.startswith("."):
        return None
    sidecar = path.with_suffix(".json")
    paths = (path, sidecar) if path.is_file() and sidecar.is_file() else (path,)
    files = [file for file in (*paths, *path.rglob("*")) if file.is_file()]
    try:
        return CacheEntry(paths, sum(file.stat().st_size for file in files), path.stat().st_mtime)
    except FileNotFoundError:  # another process removed it meanwhile
        return None


def _remove(entry: CacheEntry) -> bool:
    try:
        for path in reversed(entry.paths):  # the description first: a file without one is not used
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as err:
        log.warning("cannot remove %s from the cache: %s", entry.name, err)
        return False
    return True
