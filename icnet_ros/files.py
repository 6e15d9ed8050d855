"""Opening files that others name: a FIFO, a socket or a device in their place would hang or never end."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import FileIO
from pathlib import Path
from typing import BinaryIO

SECONDS = re.compile(r"[0-9]+\.[0-9]+")
NUMBER = re.compile(r"(\d+)")
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FileTooLargeError(OSError):
    """A file that is larger than what is read of its kind."""


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading. Raises OSError that says what it is if it is no regular file."""
    _check(Path(path).stat().st_mode, path)  # before it is opened: opening a device can have effects
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _check(os.fstat(descriptor).st_mode, path)  # it may have been replaced meanwhile
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: str | Path) -> Path:
    """The path of a file for a library that opens it itself. Raises OSError as `open_regular` does."""
    _check(Path(path).stat().st_mode, path)
    return Path(path)


def read_bytes(path: str | Path, limit: int = 0) -> bytes:
    """Content of a regular file. Raises OSError, also if it is larger than `limit` bytes; 0: no limit."""
    with open_regular(path) as file:
        # A read of `limit` bytes would allocate as many, whatever the file holds; one without a limit does not.
        if limit and os.fstat(file.fileno()).st_size > limit:
            raise FileTooLargeError(
                errno.EFBIG, f"larger than {limit} bytes, the most that is read of such a file", path
            )
        return file.read()


def read_text(path: str | Path, limit: int = 0) -> str:
    """Content of a regular UTF-8 file, as `read_bytes`; a byte order mark is left out. Raises UnicodeDecodeError."""
    return read_bytes(path, limit).decode("utf-8-sig")


def by_number(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of the numbers in their names: frame2.png before frame10.png, 12.05.png before 12.1.png."""
    found = sorted(paths)
    if all(SECONDS.fullmatch(path.stem) for path in found):
        return sorted(found, key=lambda path: Decimal(path.stem))
    # Every second part is a number, also where the name begins with one.
    return sorted(found, key=lambda path: [int(p) if p.isdecimal() else p for p in NUMBER.split(path.stem)])


def matching(folder: Path, pattern: str) -> list[Path]:
    """Paths below a folder that match a pattern; "**" also goes into symbolic links to folders elsewhere."""
    found = list(folder.glob(pattern))
    if pattern.startswith("**"):
        here = folder.resolve()
        links = (Path(top, name) for top, names, _ in os.walk(folder) for name in names)
        for link in (path for path in links if path.is_symlink()):
            target = link.resolve()
            if not target.is_relative_to(here) and not here.is_relative_to(target):
                found += link.glob(pattern)
    return found


def write_all(file: FileIO, content: bytes) -> None:
    """Write to an unbuffered file, whose close() will not try and fail once more. Raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def write_text(path: Path, text: str, setting: str = "--out") -> None:
    """Write a UTF-8 file. setting: what chooses its folder, for errors. Raises OSError, see `writing`."""
    with writing(path, setting):
        path.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: str | Path, setting: str) -> Iterator[None]:
    """Name the file in errors of writing that do not, as those of a full disk. setting: what chooses its folder."""
    try:
        yield
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        problem = f"{os.strerror(err.errno).lower()}: free some space, or choose another place with {setting}"
        raise OSError(err.errno, problem, str(path)) from err


def _check(mode: int, path: str | Path) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "a special file")
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, f"is {kind}, a file is needed", str(path))
