"""Whether drawn label files are still those of the annotations that they were drawn from."""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from icnet_ros.dataset.base import DatasetError
from icnet_ros.files import matching, read_bytes

DRAWN = "icnet_labels"  # folder of drawn label files; it has lists, too
SET_ASIDE = f".{DRAWN}.before"  # meanwhile, while others are drawn


def made_from(folder: Path, patterns: str | list[str]) -> dict[str, str | list[str]]:
    """The entry `made_from` of a source: which annotation files below `folder`, and what they contain."""
    return {"files": patterns, "sha256": _digest(_matching(folder, patterns))}


def check_made_from(entry: Any, folder: Path, where: str) -> None:
    """Raise DatasetError if the annotations are others now."""
    if not isinstance(entry, dict) or entry.keys() != {"files", "sha256"}:
        raise DatasetError(f"{where}: made_from is {entry!r}, it takes files and sha256")
    try:
        files = [path for path in _matching(folder, entry["files"]) if path.is_file()]
    except (ValueError, NotImplementedError, TypeError, AttributeError) as err:
        raise DatasetError(f"{where}: made_from: {entry['files']!r} is no pattern of files") from err
    if files and _digest(files) != entry["sha256"]:
        raise DatasetError(
            f"{where}: {entry['files']} has changed since the label files were drawn from it: draw them again with "
            "`icnet dataset convert FOLDER --overwrite`"
        )


def _matching(folder: Path, patterns: str | list[str]) -> list[Path]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    found = [path for pattern in patterns for path in matching(folder, pattern)]
    own = (DRAWN, SET_ASIDE)
    return [path for path in found if not any(part in own for part in Path(os.path.relpath(path, folder)).parts)]


def _digest(files: Iterable[Path]) -> str:
    digest = sha256()
    for path in sorted(files, key=lambda path: (path.name, path)):
        digest.update(path.name.encode())
        digest.update(read_bytes(path))
    return digest.hexdigest()[:16]
