"""Unpacks a file that was recorded with `--compression-mode file`, as far as it is whole."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import zstandard

from icnet_ros.files import check_regular, open_regular
from icnet_ros.wire.cdr import WireError

BLOCK = 1 << 22
PREFIX = "icnet_ros_unpacked_"  # of temporary folders; behind it stands the process
LIMIT = "ICNET_MAX_UNPACKED_GIB"  # environment variable: most that a file may unpack to
DEFAULT_LIMIT_GIB = 200.0
ANNOUNCED = 1 << 30  # bytes; for what unpacks to more, the folder is named beforehand
QUIET_S = 5.0  # a line for what takes longer, and one every LINE_PERIOD_S
LINE_PERIOD_S = 30.0
log = logging.getLogger(__name__)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in TMPDIR that is removed at the end, and by the next call of any process if this one is killed."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        process = old.name.removeprefix(PREFIX).partition("_")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}_", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def limit_bytes() -> int:
    """The most that a file may unpack to: ICNET_MAX_UNPACKED_GIB. Raises WireError if that is no number."""
    text = os.environ.get(LIMIT, "")
    try:
        gib = float(text or DEFAULT_LIMIT_GIB)
        if not 0 < gib < 1 << 20:
            raise ValueError
    except ValueError:
        raise WireError(f"{LIMIT} is {text!r}, it takes a number of GiB") from None
    return int(gib * 2**30)


def unpack_file(path: Path, folder: Path) -> tuple[Path, str]:
    """The unpacked file in `folder`, and why it is not complete, "" if it is.

    What takes longer than 5 s is logged, with the folder. Raises WireError if nothing can be unpacked, if there is no
    space for it, or if it is larger than `limit_bytes`.
    """
    target, problem, limit = folder / path.name.removesuffix(".zstd"), "", limit_bytes()
    declared = _declared(path)
    free = shutil.disk_usage(folder).free
    if declared > limit:
        raise WireError(_too_large(f"{declared / 2**30:.1f} GiB", limit))
    if declared > free:
        raise WireError(
            f"unpacks to {declared / 2**30:.1f} GiB, {folder.parent} has {free / 2**30:.1f}: free some space, or "
            "choose another folder with TMPDIR"
        )
    if declared > ANNOUNCED:
        log.warning("%s unpacks to %.1f GiB in %s, which is removed at the end", path.name, declared / 2**30, folder)
    with open_regular(path) as packed, target.open("wb", buffering=0) as unpacked:
        begun, said, size, total = monotonic(), -1.0, 0, path.stat().st_size
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
                while block := reader.read(BLOCK):
                    size += len(block)
                    if size > limit:
                        raise WireError(_too_large("more", limit))
                    unpacked.write(block)
                    spent = monotonic() - begun
                    if spent > (QUIET_S if said < 0 else said + LINE_PERIOD_S):
                        said = spent
                        share = f"{packed.tell() / total:.0%}, {size / 2**30:.1f} GiB"
                        log.warning("unpacking %s into %s, which is removed at the end: %s", path.name, folder, share)
        except zstandard.ZstdError as err:
            problem = f"compressed, and its zstd data is damaged ({err}): what follows is lost"
        except OSError as err:
            raise WireError(
                f"cannot be unpacked into {folder}: {err.strerror}; TMPDIR may name another folder"
            ) from err
    if not problem and 0 <= declared != size:
        problem = f"compressed, and its zstd data is cut off after {size} of {declared} bytes: what follows is lost"
    if not size:
        raise WireError(problem or "compressed, and nothing is in it")
    return target, problem


def _declared(path: Path) -> int:
    """Size that the first frame declares, -1 if it does not."""
    with suppress(zstandard.ZstdError), open_regular(check_regular(path)) as packed:
        return int(zstandard.frame_content_size(packed.read(64)))
    return -1


def _too_large(size: str, limit: int) -> str:
    return f"unpacks to {size}, the limit is {limit / 2**30:.4g} GiB; if that is right, set {LIMIT}"
