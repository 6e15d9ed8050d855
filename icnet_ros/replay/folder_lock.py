"""One run at a time in a folder of results."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icnet_ros.wire.cdr import WireError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if it is not there. The lock ends with the process, however that ends.

    Raises WireError that names the process which holds it, or if the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as err:
        reason = f"{folder}: cannot be written to: {err.strerror}; choose another folder for --out"
        raise WireError(reason) from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise WireError(
                f"{folder}: process {holder} writes its results there; wait for it, or choose another folder for --out"
            ) from err
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)
