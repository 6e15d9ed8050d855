"""Files of a mirror of models: a folder on a disk or on a web server."""

import errno
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, Any

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.files import open_regular, write_all, writing

BLOCK, TIMEOUT_S = 1 << 20, 30.0
PART = ".part"  # behind the hidden name of a file that is not complete
WEB = ("http://", "https://")


def read_blocks(mirror: str, name: str, limit: int) -> Iterator[bytes]:
    """Blocks of a file of a mirror. Raises CheckpointError if it cannot be read or is larger than `limit` bytes."""
    import http.client  # takes 30 ms, and most runs download nothing

    place = f"{mirror.rstrip('/')}/{name}"
    try:
        with _opened(mirror, place, name) as source:
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


def download(
    mirror: str, name: str, size: int, sha256: str, target: Path, progress: Callable[[str, int, int], None]
) -> None:
    """Download a file to `target`, which is complete or absent afterwards. Raises CheckpointError, OSError.

    size: in bytes. What a killed download left of this file is written over.
    """
    digest, done = hashlib.sha256(), 0
    with _part_of(target) as written:
        for block in read_blocks(mirror, name, size):
            with writing(target, "--to or ICNET_MODELS"):
                write_all(written, block)
            digest.update(block)
            done += len(block)
            progress(f"downloading {name}", done, size)
        if digest.hexdigest() != sha256:
            raise CheckpointError(f"{mirror}: {name} is not the file of the index (its hash differs); not kept")
        Path(written.name).replace(target)


def remove_parts(folder: Path) -> None:
    """Remove what killed downloads left in a folder; not that of one which is still running."""
    for path in folder.glob(f".*{PART}"):
        with path.open("ab") as file:
            if _lock(file):
                path.unlink(missing_ok=True)


@contextmanager
def _part_of(target: Path) -> Iterator[FileIO]:
    """An empty file beside `target`, locked, and removed at the end if it is still there."""
    path = target.with_name(f".{target.name}{PART}")
    with path.open("ab", buffering=0) as file:
        if not _lock(file):
            raise CheckpointError(f"{target}: another process downloads it; wait for that, or name another folder")
        if path.stat().st_size:
            file.truncate(0)
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _opened(mirror: str, place: str, name: str) -> Any:
    if not mirror.startswith(WEB):
        return open_regular(Path(mirror).expanduser().joinpath(name))
    import urllib.error
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        """Follows redirects to http and https, but not from https to http."""

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not newurl.startswith(WEB) or (req.full_url.startswith("https:") and not newurl.startswith("https:")):
                where = f"{newurl[:80]!r}: only http and https are followed, and https not to http"
                raise urllib.error.URLError(f"it redirects to {where}")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(Redirects).open(place, timeout=TIMEOUT_S)
