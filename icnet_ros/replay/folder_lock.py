"""One run at a time in a folder of results."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from icnet_ros.replay.drives import Drive
from icnet_ros.wire.cdr import WireError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if it is not there. The lock ends with the process, however that ends.

    Raises WireError that names the process which holds it, or if the folder cannot be written to.
    """
    with _taken(folder) as file:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def lock_drives(drives: Sequence[Drive], locks: ExitStack) -> list[Drive]:
    """Hold the folders of the drives of a fleet; a drive whose folder another process holds gets an error.

    locks: holds them.
    """
    held = []
    for drive in drives:
        error = drive.error
        if not error:
            try:
                locks.enter_context(locked(drive.folder))
            except WireError as err:
                error = str(err)
        held.append(replace(drive, error=error))
    return held


def _taken(folder: Path) -> TextIO:
    """The lock file of a folder, locked. Raises WireError."""
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except OSError as err:
            problem = f"{folder}: cannot be written to: {err.strerror}; choose another folder for --out"
            raise WireError(problem) from err
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise WireError(
                f"{folder}: process {holder} writes its results there; wait for it, or choose another folder for --out"
            ) from err
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its holder removed it when it ended; another process may have made and locked a new one
